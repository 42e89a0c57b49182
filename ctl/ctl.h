/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ebphctl: what its commands share. */
#ifndef EBPH_CTL_H
#define EBPH_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define CTL_SOCKET    "/run/ebph/control"
#define CTL_INTERFACE "org.ebph.Enforcer."

/* What the exit status says. */
enum { CTL_DONE, CTL_REFUSED, CTL_USAGE };

#define CTL_OPTIONS_MAX 6
#define CTL_MANY	1000000 /* arguments */

struct ctl;

struct ctl_option {
	const char *name;
	char letter;	   /* 0: none */
	const char *value; /* what it takes, for the help; NULL: nothing */
	const char *help;
};

struct command {
	const char *name;      /* "ps", "profile list" */
	const char *arguments; /* for the help */
	int least, most;       /* how many of them */
	const char *help;
	int (*run)(struct ctl *ctl); /* Return: enum above */
	struct ctl_option options[CTL_OPTIONS_MAX];
};

/* One run of ebphctl. */
struct ctl {
	const char *socket;
	bool json, colour;
	bool quiet;	   /* what is wrong is not said: ctl_trouble() has it */
	int patience_s;	   /* for an answer; 0: for ever */
	const char *about; /* what is wrong is wrong with this; NULL */
	const struct command *command;
	const char *values[CTL_OPTIONS_MAX]; /* of its options; NULL: not given */
	char **arguments;
	int n_arguments;
};

/* All commands, ended by one without name: main.c. */
extern const struct command commands[];

/* Return: what the option was given, "" if it takes nothing; NULL: it was not given. */
const char *option_value(const struct ctl *ctl, const char *name);

/* ---- call.c -------------------------------------------------------------------------------- */

/**
 * ctl_call() - a call with one answer.
 * @method: without CTL_INTERFACE
 * @parameters: taken
 * @ret: the answer's parameters, to be given up by the caller
 *
 * Return: CTL_DONE; CTL_REFUSED, and why has been said.
 */
int ctl_call(const struct ctl *ctl, const char *method, json_t *parameters, json_t **ret);

/* What was wrong with the last call that was not CTL_DONE: one clause. */
const char *ctl_trouble(void);

/* Told of the parameters of each part of an answer. Return: false: that was enough. */
typedef bool ctl_part_fn(void *context, const json_t *part);

/* As ctl_call(), of a long answer. */
int ctl_stream(const struct ctl *ctl, const char *method, json_t *parameters, ctl_part_fn *take,
	       void *context);

/* ---- text.c ---------------------------------------------------------------------------------- */

/*
 * What others have named must not write on a terminal what it likes: without control characters.
 * @value: NULL is ""
 * @lines: it may have line ends
 *
 * Valid until 8 calls later, as all text that is returned here.
 */
const char *printable(const char *value, bool lines);

/* Members of objects; "" or 0 where there is none. Text is printable, one line. */
const char *text_of(const json_t *object, const char *member);
long long number_of(const json_t *object, const char *member);

/* "350 ms", "2.5 s", "3 min 20 s", "4 h 5 min", "2 days": static, until 8 calls later. */
const char *time_text(long long ms);

/* "12.3 kB" likewise. */
const char *bytes_text(long long bytes);

/* How far long work has come, on a terminal; @done == @all: that was all of it. */
void progress_show(const char *what, size_t done, size_t all);

enum colour { PLAIN, BOLD, RED, YELLOW, GREEN };

/* What makes the text that follows look so; "" where colours are not wanted. */
const char *colour_begin(const struct ctl *ctl, enum colour colour);
const char *colour_end(const struct ctl *ctl);

/* The colour of a profile's state. */
enum colour state_colour(const char *state);

/* A JSON value on a line of its own. */
void json_line(const json_t *value);

/* ---- the commands: a file for each group --------------------------------------------------- */

typedef int command_fn(struct ctl *ctl);

command_fn command_status, command_support, command_mode, command_set,
	command_reload;							 /* status.c */
command_fn command_ps, command_release;					 /* process.c */
command_fn command_profiles, command_show, command_change, command_diff; /* profile.c */
command_fn command_export, command_import, command_merge;		 /* exchange.c */
command_fn command_top;							 /* top.c */
command_fn command_events, command_explain;				 /* explain.c */
command_fn command_help, command_completion;				 /* help.c */

#endif
