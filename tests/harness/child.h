/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that a test runs, with what they print. */
#ifndef EBPH_CHILD_H
#define EBPH_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#define PROGRAM(name) "build/tests/progs/" name

struct child {
	pid_t pid;
	char what[64];	   /* its first argument, or its name */
	int in_fd;	   /* its standard input, or -1 */
	int out_fd;	   /* its standard output and error */
	int stops;	   /* how often child_wait() saw it stopped */
	char output[8192]; /* what it has printed, as far as it was read */
	size_t n_output;
};

/* How a child is started; all zero is the plain way. */
struct child_how {
	bool wants_input;      /* gives .in_fd */
	bool on_terminal;      /* its output is a terminal */
	uid_t uid;	       /* not 0: as this user */
	void (*prepare)(void); /* run in the child before exec */
};

/* Starts @argv[0]. The test fails and ends when that cannot be done. */
void child_start(struct child *child, const char *const *argv, const struct child_how *how);

/* A process that does nothing, and makes no call, until it is killed. */
pid_t sleeper_start(void);

/* Kills it and waits for its end. */
void sleeper_end(pid_t pid);

/* Reads its output to the end, waits for it, counting stops. Return: the wait status. */
int child_wait(struct child *child);

/* Waits until it is stopped. Return: false when it ended instead. */
bool child_wait_stopped(struct child *child);

/* Is it stopped at this moment? Says nothing of a stop that child_wait() has still to see. */
bool child_is_stopped(const struct child *child);

/* Writes @line and reads one line of answer, which stands in .output then. */
void child_ask(struct child *child, const char *line);

/* Reads until there is a line in .output. */
void child_listen(struct child *child);

/* Start and wait. Return: the wait status. */
int run(struct child *child, const char *const *argv, const struct child_how *how);

/* Keeps all processors busy, or stops to do so. */
void processors_load(bool begin);

#define RUN(child, ...) run(child, (const char *const[]){__VA_ARGS__, NULL}, NULL)

#endif
