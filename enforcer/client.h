/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One who is connected to the control socket: who it is, what it asks, what it is still told. */
#ifndef EBPH_ENFORCER_CLIENT_H
#define EBPH_ENFORCER_CLIENT_H

#include <sys/types.h>

#include "conf/conf.h"
#include "enforcer/wire.h"

struct control;
struct client;

/*
 * A part of a long answer: a reply that says "continues", or does not. It is called again once the
 * client has taken most of what was sent before.
 */
typedef void client_step_fn(struct control *control, struct client *client);

struct client {
	struct client *next;
	int fd;
	pid_t pid;
	uid_t uid;
	bool may_change;  /* root; else it may only ask */
	bool dead;	  /* to be freed when the turn is over */
	bool ended;	  /* it will send no more */
	uint32_t watched; /* EPOLL* */
	struct wire in, out;
	struct wire upload; /* the parts of a file that it has sent so far */
	uint64_t
		stalled_ns; /* CLOCK_MONOTONIC since which it has taken nothing; 0: nothing waits */
	struct call call;   /* that is being answered; .root NULL: none */
	client_step_fn *step;
	uint64_t cursor; /* how far .step has come */
	void *work;	 /* of .step; freed with .work_free */
	void (*work_free)(void *work);
	bool subscribed; /* to events, with the call's parameters as filter */
};

/**
 * client_new() - a client that has connected.
 * @fd: becomes the client's, also on failure
 * @groups: whose members may ask
 *
 * Return: 0; -EACCES when it may not even ask, then it is there to be told so; -errno.
 */
int client_new(int fd, const struct conf_list *groups, struct client **ret);
void client_free(struct client *client);

/*
 * Logs what a client does that it should not: a few lines a second, and then how many more there
 * would have been. Who cannot do anything must not fill the log either.
 */
void client_blame(const struct client *client, const char *what);

/* Takes what the client has sent, some of it. */
void client_read(struct client *client);

/* Writes what waits for it, as far as it is taken. */
void client_write(struct client *client);

/* Is it being answered, or told of events? */
static inline bool client_is_busy(const struct client *client)
{
	return client->call.root != NULL;
}

/* An answer; takes @parameters. @continues: there will be more. */
void client_reply(struct client *client, json_t *parameters, bool continues);

/* As the last answer, an error: "org.ebph.Enforcer.ProfileInUse"; takes @parameters. */
void client_fail(struct client *client, const char *error, json_t *parameters);

/* An answer that continues: {"number": @number, "event": @text}. */
void client_reply_event(struct client *client, uint64_t number, const char *text);

/* The parameters of its call; absent: NULL, -1, false. */
const char *client_string(const struct client *client, const char *name);
json_int_t client_integer(const struct client *client, const char *name);
bool client_flag(const struct client *client, const char *name);

#endif
