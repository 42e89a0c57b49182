/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done about an anomaly. BPF side only. */
#ifndef EBPH_RESPONSE_H
#define EBPH_RESPONSE_H

#include "profile.h"

struct task_struct;

/**
 * respond() - takes a judged call into the locality frame, decides the answer and gives it.
 * @task, @state: the current thread
 * @call:	  its call id
 * @unseen:	  distances at which the call was unseen, 0 for a call that is as ever
 *
 * Only for calls of a normal profile, or of threads with recent anomalies. The decision is the
 * same in every mode; only enforce carries it out.
 */
__hidden void respond(struct task_struct *task, struct task_state *state, __u32 call, __u32 unseen);

#endif
