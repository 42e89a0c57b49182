/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has a call of guarded.c taken effect? Seen from outside, by another process. */
#ifndef EBPH_EFFECT_H
#define EBPH_EFFECT_H

#include <stddef.h>
#include <sys/types.h>

/* One process of guarded.c on its way to a call, and those that the call may happen to. */
struct attempt {
	pid_t pid;
	char folder[96]; /* where it works */
	int peer;	 /* the socket "peer" there, for its datagrams */
	int door;	 /* the socket "door" there, for it to connect to */
	pid_t victim;	 /* a process that signals wait for, of a user of its own */
};

/* A row of GUARDED_CALLS. */
struct guarded_call {
	const char *name;
	const char *call;			      /* as events name it */
	int (*effect)(const struct attempt *attempt); /* how often it has been made; see .times */
	int times;				      /* what .effect says after one call */
};

#define GUARDED_CALLS_MAX 160

/* Ended by an empty row. */
extern const struct guarded_call guarded_calls[GUARDED_CALLS_MAX];

/* The clock of the machine, and its time zone, are right; they are to be so again. */
void effects_begin(void);
void effects_undo(void);

#endif
