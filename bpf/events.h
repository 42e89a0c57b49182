/* SPDX-License-Identifier: GPL-2.0-or-later */
/* News for the daemon. BPF side only. No decision ever depends on one arriving. */
#ifndef EBPH_EVENTS_H
#define EBPH_EVENTS_H

#include "maps.h"

/* Fills in what every event begins with, about the current thread. */
static inline void event_head(struct ebph_event *event, __u32 type, __u32 slot)
{
	__u64 id = bpf_get_current_pid_tgid();

	event->time_ns = bpf_ktime_get_boot_ns();
	event->type = type;
	event->pid = id >> 32;
	event->tid = (__u32)id;
	event->slot = slot;
}

/*
 * May another event about this profile be sent? A program that does nothing but what is strange
 * must not keep the daemon from its work, nor fill a disk. Counted where not. Two CPUs at once may
 * let one more or less through.
 */
static inline int report_allowed(struct ebph_profile *head)
{
	__u32 now_s = bpf_ktime_get_boot_ns() / 1000000000ull;

	if (now_s != head->reports_since_s) {
		head->reports_since_s = now_s;
		head->reports = 0;
	}
	if (__sync_fetch_and_add(&head->reports, 1) < settings.reports_per_s)
		return 1;
	count(EBPH_COUNT_EVENT_LIMITED);
	return 0;
}

/* A record in the ring buffer with its head filled in; NULL when there is no room, counted. */
#define event_reserve(payload_type, type, slot)                                                    \
	({                                                                                         \
		payload_type *record_ = bpf_ringbuf_reserve(&events, sizeof(payload_type), 0);     \
		if (record_)                                                                       \
			event_head((struct ebph_event *)record_, type, slot);                      \
		else                                                                               \
			count(EBPH_COUNT_EVENT_LOST);                                              \
		record_;                                                                           \
	})

#endif
