// SPDX-License-Identifier: GPL-2.0-or-later
/* What the daemon does with the records of who is delayed. */
#include "kernel.h"
#include "maps.h"

/* What ebph_release is asked: written by the daemon, which is one thread. */
struct ebph_release release;

/*
 * Run by the daemon when a delay is over, before it sends SIGCONT: clears the record, unless the
 * process was stopped anew meanwhile. From user space this could not be one step, and a record
 * lost between two would be a process that nobody releases.
 */
SEC("syscall")
int ebph_release_one(void *ctx)
{
	struct ebph_delay *delay;
	__u32 tgid = release.tgid;
	__u64 due_ns;

	release.due_ns = 0;
	release.foreign = 0;
	release.released = 0;
	delay = bpf_map_lookup_elem(&delayed, &tgid);
	if (!delay || delay->start_ns != release.start_ns)
		return 0;
	due_ns = delay->due_ns;
	/*
	 * Who is on record as waiting does wait: the timer's note may come late, when he who goes
	 * on has been stopped anew already. It is of no use any more then.
	 */
	if (!due_ns)
		release.released = delay->released;
	else
		delay->released = 0;
	if (due_ns <= release.now_ns)
		due_ns = __sync_val_compare_and_swap(&delay->due_ns, due_ns, 0);
	if (due_ns == EBPH_DUE_NOW) /* our SIGCONT comes in any case */
		__sync_val_compare_and_swap(&delay->due_ns, EBPH_DUE_NOW, 0);
	release.foreign = delay->foreign; /* nobody writes it any more */
	if (due_ns > release.now_ns)
		release.due_ns = due_ns;
	return 0;
}

/* What ebph_overdue_find is asked, and what it finds: likewise. */
struct ebph_overdue overdue;

static long overdue_look(struct bpf_map *map, const __u32 *tgid, struct ebph_delay *delay,
			 void *context)
{
	__u64 due_ns = delay->due_ns;
	__u32 n = overdue.count;

	if (!due_ns || due_ns > overdue.before_ns)
		return 0;
	if (overdue.passed < overdue.skip) {
		overdue.passed++;
		return 0;
	}
	if (n >= EBPH_OVERDUE_MAX)
		return 1;
	overdue.tgid[n] = *tgid;
	overdue.delay[n].start_ns = delay->start_ns;
	overdue.delay[n].due_ns = due_ns;
	overdue.delay[n].foreign = delay->foreign;
	overdue.delay[n].released = delay->released;
	overdue.count = n + 1;
	return 0;
}

/* Run by the daemon once a second. bpf(2) would do, but for what it does to others: second.h. */
SEC("syscall")
int ebph_overdue_find(void *ctx)
{
	overdue.count = overdue.passed = 0;
	bpf_for_each_map_elem(&delayed, overdue_look, NULL, 0);
	return 0;
}
