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
