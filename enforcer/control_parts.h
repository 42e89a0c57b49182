/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the control socket: control.c, method.c and those with the methods. */
#ifndef EBPH_ENFORCER_CONTROL_PARTS_H
#define EBPH_ENFORCER_CONTROL_PARTS_H

#include "enforcer/client.h"
#include "enforcer/control.h"
#include "enforcer/history.h"

#define INTERFACE	    "org.ebph.Enforcer"
#define ERROR(name)	    INTERFACE "." #name
#define SERVICE_ERROR(name) "org.varlink.service." #name

#define BATCH		    64 /* entries in one reply of a long answer */

struct control {
	struct reload reload;
	struct keep *keep;
	struct kernel *kernel;
	struct profiles *profiles;
	struct history history;
	struct client *clients;
	unsigned int n_clients;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	int listen_fd, epoll_fd;
	bool full; /* no descriptors: nobody is accepted before the next tick */
	char *path;
};

/* Writes what waits for a client, and sees to it that the rest follows. */
void control_push(struct control *control, struct client *client);

/* ---- method.c ------------------------------------------------------------------------------ */

/* The text of org.ebph.Enforcer.varlink. */
extern const char control_interface[];

/* Does, or begins to do, what the client's call asks for. */
void method_run(struct control *control, struct client *client);

/* Return: the name of a method, beginning with 0; NULL: there are no more. */
const char *method_name(size_t i);

/* @r is an error that nothing better is known of. */
void client_fail_errno(struct client *client, int r);

/* ---- the methods: one function for each, in the file that is named ------------------------ */

typedef void method_fn(struct control *control, struct client *client);

method_fn method_status, method_support;				/* control_status.c */
method_fn method_processes, method_release;				/* control_process.c */
method_fn method_profiles, method_profile, method_pairs, method_change; /* control_profile.c */
method_fn method_export, method_import;					/* control_exchange.c */
method_fn method_events, method_explain;				/* control_event.c */
method_fn method_mode, method_option, method_reload;			/* control_setting.c */

/* A process or thread as JSON; NULL: no memory. */
json_t *process_object(struct control *control, const struct ebph_thread *thread);

/* One for each process, with the largest LFC of its threads. Return: how many are left. */
size_t threads_unite(struct ebph_thread *threads, size_t n);

/* ---- control_select.c ---------------------------------------------------------------------- */

/* A profile as JSON. */
json_t *profile_object(struct control *control, uint32_t slot);

/* One that is on disk only. */
json_t *record_object(const struct record *record);

/**
 * profile_select() - the profile that the client's parameter "name" names.
 * @ret_record: the one on disk, if it is not in memory; NULL: the client wants one in memory
 *
 * Return: its slot; 0: there is none in memory, and the client has been told so unless @ret_record
 * has got one.
 */
uint32_t profile_select(struct control *control, struct client *client, struct record **ret_record);

/* ---- control_event.c ------------------------------------------------------------------------ */

/* An event: kept, and told to those who follow. */
void control_tell(void *context, const json_t *object, const char *text);

#endif
