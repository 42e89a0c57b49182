// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Dry-run and enforce take the same decision at every call: one record of calls is fed to the
 * programs in either mode, and what they have decided is compared call by call.
 */
#include <string.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/tap.h"

#define CALLS	  6000
#define USUAL	  12  /* different calls that the program is trained to make in turns */
#define POLL_CALL 256 /* so many calls, then the events are taken */

/* What was decided: sums after each call, and each anomaly as it was reported. */
struct decided {
	struct {
		uint64_t stop_ns;
		uint32_t stops, aborts;
	} after[CALLS];
	struct {
		uint64_t delay_ns;
		uint32_t unseen, lfc, heat, answer;
	} anomalies[CALLS];
	size_t n_anomalies;
	uint32_t mode; /* of the anomalies */
};

/* Usual rows of calls with odd ones among them: none, some, many; and now and then an execve. */
static void record_make(uint16_t *calls)
{
	uint32_t x = 2463534242u;

	for (int i = 0; i < CALLS; i++) {
		const uint32_t odd_in = i / 500 % 3 == 0 ? 400 : i / 500 % 3 == 1 ? 40 : 6;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		if (x % 97 == 0)
			calls[i] = EBPH_CALL_EXECVE;
		else if (x % odd_in == 0)
			calls[i] = (uint16_t)(100 + x % 100);
		else
			calls[i] = (uint16_t)(30 + i % USUAL);
	}
}

static void anomaly_take(void *context, const struct ebph_event *event)
{
	const struct ebph_event_anomaly *anomaly = (const void *)event;
	struct decided *decided = context;
	size_t n = decided->n_anomalies;

	if (event->type != EBPH_EVENT_ANOMALY || event->pid != (uint32_t)getpid())
		return;
	REQUIRE(n < CALLS, "more anomalies than calls");
	decided->anomalies[n].delay_ns = anomaly->delay_ns;
	decided->anomalies[n].unseen = anomaly->unseen;
	decided->anomalies[n].lfc = anomaly->lfc;
	decided->anomalies[n].heat = anomaly->heat;
	decided->anomalies[n].answer = anomaly->answer;
	decided->mode = anomaly->mode;
	decided->n_anomalies++;
}

static uint32_t train(struct rig *rig, int fd)
{
	uint32_t slot;
	int r;

	for (int i = 0; i < 40 * USUAL; i++) {
		rig_call(fd, (uint64_t)(30 + i % USUAL));
		if (i % USUAL == 0)
			rig_poll(rig);
	}
	slot = rig_slot(rig, "/proc/self/exe");
	REQUIRE(slot, "this program has no profile");
	r = profile_command(rig->profiles, slot, EBPH_VERB_NORMALIZE);
	REQUIRE(!r, "%s", strerror(-r));
	return slot;
}

/* Nobody is stopped: a daemon that could release us would be missing. */
static void decide(const uint16_t *calls, const struct ebph_rule *rule, uint32_t mode,
		   struct decided *ret)
{
	struct ebph_settings *settings;
	struct ebph_profile *head;
	struct rig rig;
	int fd;

	memset(ret, 0, sizeof(*ret));
	rig_new(&rig, 16);
	rig.on_event = anomaly_take;
	rig.context = ret;
	settings = kernel_settings(rig.kernel);
	settings->rule = *rule;
	settings->mode = mode;
	settings->stand_down = 1;
	settings->min_runs = UINT32_MAX; /* nothing changes by itself */
	fd = rig_hot_path_fd(&rig);
	head = &rig.kernel->heads[train(&rig, fd)];
	for (int i = 0; i < CALLS; i++) {
		rig_call(fd, calls[i]);
		ret->after[i].stops = head->stops;
		ret->after[i].stop_ns = head->stop_ns;
		ret->after[i].aborts = head->aborts;
		if (i % POLL_CALL == 0)
			rig_poll(&rig);
	}
	rig_poll(&rig);
	CHECK(!kernel_counter(rig.kernel, EBPH_COUNT_EVENT_LOST), "events were lost");
	CHECK((kernel_counter(rig.kernel, EBPH_COUNT_ABORT_NO_HEARTBEAT) > 0) ==
		      (mode == EBPH_MODE_ENFORCE),
	      "who carries out what in mode %u?", mode);
	rig_free(&rig);
}

static void compare(const struct decided *dry, const struct decided *enforced)
{
	CHECK(dry->mode == EBPH_MODE_DRY_RUN && enforced->mode == EBPH_MODE_ENFORCE,
	      "modes %u and %u", dry->mode, enforced->mode);
	/* It is about something: calls of all kinds, and not all of them. */
	CHECK(dry->after[CALLS - 1].stops > 100 && dry->after[CALLS - 1].stops < CALLS, "%u stops",
	      dry->after[CALLS - 1].stops);
	CHECK(dry->after[CALLS - 1].aborts > 10, "%u aborts", dry->after[CALLS - 1].aborts);
	CHECK(dry->n_anomalies > 100, "%zu anomalies", dry->n_anomalies);
	for (int i = 0; i < CALLS; i++)
		if (!CHECK(!memcmp(&dry->after[i], &enforced->after[i], sizeof(dry->after[i])),
			   "call %d: %u and %u stops, %u and %u aborts", i, dry->after[i].stops,
			   enforced->after[i].stops, dry->after[i].aborts,
			   enforced->after[i].aborts))
			return;
	REQUIRE(dry->n_anomalies == enforced->n_anomalies, "%zu and %zu anomalies",
		dry->n_anomalies, enforced->n_anomalies);
	for (size_t i = 0; i < dry->n_anomalies; i++)
		CHECK(!memcmp(&dry->anomalies[i], &enforced->anomalies[i],
			      sizeof(dry->anomalies[i])),
		      "anomaly %zu: answers %u and %u", i, dry->anomalies[i].answer,
		      enforced->anomalies[i].answer);
}

static void alike(void)
{
	static const struct ebph_rule plain = {
		.delay_base_ns = 10 * NSEC_PER_MSEC,
		.max_delay_ns = 300 * NSEC_PER_SEC,
		.exec_abort_limit = 10,
		.anomaly_limit = UINT32_MAX - 1,
		.tolerize_limit = UINT32_MAX,
	};
	static struct decided dry, enforced;
	static uint16_t calls[CALLS];
	struct ebph_rule rules[] = {plain, plain, plain};

	rules[1].tolerance = 3;
	rules[1].delay_curve = EBPH_CURVE_LINEAR;
	rules[2].delay_on = EBPH_DELAY_ON_ANOMALY;
	rules[2].exec_abort_limit = 3;
	record_make(calls);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		decide(calls, &rules[i], EBPH_MODE_DRY_RUN, &dry);
		decide(calls, &rules[i], EBPH_MODE_ENFORCE, &enforced);
		note("%u stops, %u aborts, %zu anomalies", dry.after[CALLS - 1].stops,
		     dry.after[CALLS - 1].aborts, dry.n_anomalies);
		compare(&dry, &enforced);
	}
}

const struct test decision_tests[] = {
	{.name = "decision: dry-run and enforce decide alike, call by call",
	 .run = alike,
	 .is_once = true},
	{},
};
