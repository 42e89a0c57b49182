// SPDX-License-Identifier: GPL-2.0-or-later
/* The end: nobody is followed any more, and what is not saved yet would be lost. */
#include <poll.h>
#include <string.h>

#include "enforcer/event.h"
#include "enforcer/keep.h"
#include "enforcer/log.h"
#include "enforcer/restore.h"
#include "enforcer/util.h"

#define FINISH_ROUNDS 4			  /* of loading and saving */
#define FINISH_NS     (60 * NSEC_PER_SEC) /* in all; systemd kills after 90 s (TimeoutStopSec) */

/* Waits until the saver has nothing to do. Return: 0; -ETIME; -EIO when saving fails. */
static int finish_wait(struct keep *keep, uint64_t end_ns)
{
	while (keep->saver.busy) {
		struct pollfd answer = {.fd = keep->saver.fd, .events = POLLIN};
		uint64_t now = now_ns(CLOCK_MONOTONIC);

		if (now >= end_ns) {
			log_error("the disk that holds %s is too slow: giving up after %llu s",
				  keep->store->dir, FINISH_NS / NSEC_PER_SEC);
			return -ETIME;
		}
		poll(&answer, 1, (int)((end_ns - now) / NSEC_PER_MSEC) + 1);
		keep_answered(keep);
		if (keep->failing) /* all would fail; the fault of one profile is no reason */
			return -EIO;
	}
	return 0;
}

/*
 * Has the saver save whatever has changed, once more if it died meanwhile, or if what was still to
 * be loaded has found out only then that it is to begin, or to unite with another slot.
 */
static void finish_save(struct keep *keep)
{
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + FINISH_NS;

	for (int round = 0; round < FINISH_ROUNDS; round++) {
		uint64_t died = keep->saver_died;

		restore_finish(keep);
		keep->cursor = 1;
		keep_pump(keep);
		if (finish_wait(keep, end_ns))
			return;
		if (!profiles_in_state(keep->profiles, EBPH_STATE_LOADING) &&
		    keep->saver_died == died)
			return;
	}
}

static void unsaved_report(struct keep *keep)
{
	uint32_t n = 0;

	for (uint32_t slot = 1; slot < keep->profiles->next_slot; slot++)
		n += keep_is_unsaved(keep, slot) ||
		     (keep_state(keep, slot) == EBPH_STATE_LOADING && keep_head(keep, slot)->words);
	if (!n)
		return;
	log_error("%u profiles could not be saved in %s: what they have learned since they were "
		  "saved last is lost",
		  n, keep->store->dir);
	event_self(keep->sink, "store",
		   json_pack("{s:s, s:i}", "state", "lost", "profiles", (int)n));
}

void keep_finish(struct keep *keep)
{
	if (!keep->store)
		return;
	if (keep->saver.fd >= 0)
		keep_answered(keep); /* it may just have died */
	else
		keep_renew_saver(keep);
	/* Nothing that waits for memory may be lost. */
	keep->profiles->memory_limit = UINT64_MAX;
	keep->failing = 0;
	finish_save(keep);
	unsaved_report(keep);
}
