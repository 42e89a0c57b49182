/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ebphd under test, and what it reports. */
#ifndef EBPH_DAEMON_H
#define EBPH_DAEMON_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct child;

struct daemon {
	pid_t pid;
	char folder[64]; /* configuration, event file, log */
	int events_fd;	 /* the event file, read up to .events */
	int watch_fd;	 /* inotify on it */
	json_t *events;	 /* array of all events so far */
	char *partial;	 /* a line that has not ended yet */
	size_t next;	 /* the first event that event_wait() has not passed */
};

/*
 * Writes a configuration for tests, quick to learn, with @more lines; a section that is named
 * again in @more would be an error, so these are the bodies of the sections.
 * The name of the file is in @path.
 */
struct daemon_conf {
	const char *enforcer, *detection, *response, *drill, *store;
	const char *state_dir; /* NULL: a new one */
	int log_fd;	       /* where ebphd writes for people; 0: to a file, see daemon_log() */
};

#define DETECTION_QUICK "min_calls = 10\nmin_runs = 3\nnormal_wait = 0s\nheat_half_life = 0s\n"

/* Starts ebphd in @mode (NULL: as configured) and waits until it follows calls. Ends the test when
 * it does not. */
void daemon_start(struct daemon *daemon, const char *mode, const struct daemon_conf *conf);

/* As daemon_start() with more arguments, a list ended by NULL. */
void daemon_start_with(struct daemon *daemon, const char *mode, const struct daemon_conf *conf,
		       const char *const *arguments);

/* Ends it with SIGTERM and reads the rest of its events; checks that it ended well. */
void daemon_stop(struct daemon *daemon);

/* Writes what its configuration is to have on top; without daemon_reload() it is not read. */
void daemon_drop_in(const struct daemon *daemon, const char *text);

/* Likewise, and has it read: "taken" or "refused" is to come of it. Return: the event. */
json_t *daemon_reload(struct daemon *daemon, const char *text, const char *result);

/*
 * As daemon_reload(), taken, with a text in which %s is @path, which it names once.
 */
void daemon_reload_for(struct daemon *daemon, const char *format, const char *path);

/* Waits for its end after it was killed or has failed. Return: the wait status. */
int daemon_wait(struct daemon *daemon);

#define GUARDIAN "ebph-guardian"

/* Its child that calls itself @name; 0 when there is none. */
pid_t daemon_child(const struct daemon *daemon, const char *name);

/* Kills it and its guardian with SIGKILL, so that neither can start the other again. */
void daemon_kill_both(struct daemon *daemon);

/* What it wrote for people, to be freed. */
char *daemon_log(struct daemon *daemon);

/* Waits until @text stands there. */
void daemon_log_await(struct daemon *daemon, const char *text);

/**
 * event_wait() - the next event in which all the given members have the given values.
 * @name: "event" member
 * @...:  pairs of member name and value, strings, ended by NULL
 *
 * Waits until there is one; the time limit of the test ends a wait that is in vain.
 *
 * Return: the event, owned by the daemon.
 */
json_t *event_wait(struct daemon *daemon, const char *name, ...) __attribute__((sentinel));

/* Waits until the event file has grown, or ends the test when ebphd has ended. */
void events_await(struct daemon *daemon, int limit_ms);

/* How many events so far have this name and, if @pid is not 0, this pid. */
size_t events_count(struct daemon *daemon, const char *name, pid_t pid);

/* The @i-th of them (from 0), NULL when there are fewer. */
json_t *event_at(struct daemon *daemon, const char *name, pid_t pid, size_t i);

/* How many events so far have this name and this path. */
size_t events_count_of(struct daemon *daemon, const char *name, const char *path);

/* A member as a string ("" when there is none) or as a number (-1). */
const char *event_text(const json_t *event, const char *member);
long event_number(const json_t *event, const char *member);

/* Has the daemon report its counters. Return: the event, owned by the daemon. */
json_t *counters_ask(struct daemon *daemon);

/* Checks that nothing was lost, by its counters; calls without a slot apart, which may be. */
void nothing_lost(struct daemon *daemon);

/* Has there been an event of this name and path, with @after, unless that is NULL? */
bool event_seen(struct daemon *daemon, const char *name, const char *path, const char *after);

/* Runs @argv, which begins with its absolute path, until event_seen(). */
void run_until(struct daemon *daemon, const char *const *argv, const char *name, const char *after);

/*
 * Runs @argv until its profile is normal, which event_wait() has not seen yet; @program is its
 * absolute path. The same path may have had another file before.
 */
void train(struct daemon *daemon, const char *program, const char *const *argv);

/*
 * Starts an enforcing ebphd, trains the example and starts it as @child with one line more, at
 * which it is stopped.
 */
void daemon_start_delaying(struct daemon *daemon, const struct daemon_conf *conf,
			   struct child *child);

/* Waits for its end, and checks that it did all that it does undisturbed. */
void delayed_runs_on(struct child *child);

/* Is bpf among this kernel's security modules? Without it, what lsm is to do it does not do. */
bool lsm_has_bpf(void);

/* The absolute path of a program under test; static. */
const char *program_path(const char *relative);

#endif
