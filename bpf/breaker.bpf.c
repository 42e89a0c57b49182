// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The circuit breaker. One program that must be delayed is an attack, or a profile that is wrong;
 * many within a minute are an upgrade of a library, or a fault of ours, and a host that is about to
 * stand still. It takes nobody from user space to open it, and none to close it.
 *
 * Executables are counted, not processes: a server that is broken into makes as many processes as
 * it likes, and would have switched the response off by that.
 */
#include "kernel.h"
#include "response.h"

struct ebph_breaker breaker;

/* Again for each executable beyond the limit: it closes when there have been none for a pause. */
static void breaker_trip(__u64 now_ns)
{
	__u64 before = breaker.open_until_ns, until_ns = now_ns + settings.breaker_pause_ns;

	/* Of several CPUs one opens it. */
	if (__sync_val_compare_and_swap(&breaker.open_until_ns, before, until_ns) == before &&
	    before < now_ns)
		__sync_fetch_and_add(&breaker.openings, 1);
}

/* An executable is answered that was not yet in this window. */
static void breaker_count(__u64 window, __u64 now_ns)
{
	__u32 answered = __sync_fetch_and_add(&breaker.answered, 1);
	__u64 begin = breaker.begin, seen;

	if (begin >> 32 != window) {
		seen = __sync_val_compare_and_swap(&breaker.begin, begin, window << 32 | answered);
		begin = seen == begin ? window << 32 | answered : seen;
	}
	/* Signed: of two CPUs the later one may have begun the window. */
	if ((__s32)(answered + 1 - (__u32)begin) > (__s32)settings.breaker_limit)
		breaker_trip(now_ns);
}

/* A global function, that the verifier goes through it once and not on each way to it. */
int breaker_take(__u32 slot)
{
	struct ebph_profile *head = bpf_map_lookup_elem(&heads, &slot);
	__u64 now_ns = bpf_ktime_get_ns();
	/* From 1 on: 0 is what a head begins with. */
	__u32 window = now_ns / settings.breaker_window_ns + 1, seen;

	if (!head || !settings.breaker_limit)
		return 0;
	seen = head->answered;
	if (seen != window && __sync_val_compare_and_swap(&head->answered, seen, window) == seen)
		breaker_count(window, now_ns);
	return now_ns < breaker.open_until_ns;
}
