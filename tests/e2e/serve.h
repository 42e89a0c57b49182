/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server with a back door: tests/progs/serve.c. */
#ifndef EBPH_TESTS_SERVE_H
#define EBPH_TESTS_SERVE_H

struct child;
struct daemon;

/* What the back door executes leaves this behind, where SERVE_SHELL is it. */
#define SHELL_WAS_HERE "/tmp/the-shell-ran"
#define SERVE_SHELL    "/bin/sh", "-c", "echo > " SHELL_WAS_HERE

/* Starts the server @path; its back door executes @target, a list ended by NULL. */
void serve_start(struct child *child, const char *path, const char *const *target);

/*
 * Starts the server @path and has it execute SERVE_SHELL, of which nothing is left before. Return:
 * the wait status of what was the server.
 */
int serve_shell(const char *path, struct child *ret);

/* Trains it: it serves, and never executes anything. Return: its path. */
const char *serve_train(struct daemon *daemon);

#endif
