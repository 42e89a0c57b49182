/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket, run_dir/control: who asks what the daemon knows, and tells it what to do.
 * Never waits for anybody, and takes a few milliseconds at a turn at most.
 */
#ifndef EBPH_ENFORCER_CONTROL_H
#define EBPH_ENFORCER_CONTROL_H

#include "enforcer/keep.h"
#include "enforcer/reload.h"

#define CONTROL_NAME	    "control"
#define CONTROL_CLIENTS	    64 /* at once */
#define CONTROL_CLIENTS_ASK 32 /* of them, such as may only ask: root always finds room */

struct control;

/**
 * control_new() - opens the socket; from now on the event sink tells it of every event.
 * @reload: all that it serves, copied; what it points to must outlive the control
 * @keep:   likewise
 *
 * Return: 0; -errno with a line logged.
 */
int control_new(const struct reload *reload, struct keep *keep, struct control **ret);

/* Closes all connections and removes the socket. NULL is fine. */
void control_free(struct control *control);

/* Readable when control_run() has something to do. */
int control_fd(const struct control *control);
void control_run(struct control *control);

/* Now and then: cuts off who does not read. */
void control_tick(struct control *control);

#endif
