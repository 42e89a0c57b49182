/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Varlink protocol as bytes (https://varlink.org/Method-Call): JSON objects ended by NUL. What
 * comes in is cut into frames and read as calls; what goes out waits until the other side takes it.
 * Knows no sockets.
 */
#ifndef EBPH_ENFORCER_WIRE_H
#define EBPH_ENFORCER_WIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The longest call. No method needs more than a path; to parse so much takes a millisecond, which
 * is how long somebody who is due to be released may have to wait for it.
 */
#define WIRE_FRAME_MAX (64u * 1024)

/* The most that waits for a client to be read. Who lets more come together is gone. */
#define WIRE_QUEUE_MAX (1024u * 1024)

/* Bytes in the order in which they came. Begin with {0}. */
struct wire {
	char *data;
	size_t begin, end; /* of what has not been taken yet */
	size_t room;
	size_t searched; /* from .begin on: there is no NUL in these */
};

void wire_clear(struct wire *wire);

static inline size_t wire_bytes(const struct wire *wire)
{
	return wire->end - wire->begin;
}

/* Adds bytes, as long as no more than @most wait then. Return: 0; -EMSGSIZE; -ENOMEM. */
int wire_add(struct wire *wire, const void *data, size_t bytes, size_t most);

/* The first @bytes have been taken. */
void wire_take(struct wire *wire, size_t bytes);

/**
 * wire_frame() - the next whole frame, a string.
 *
 * Return: it, in @wire until something is added; NULL: there is none yet.
 */
char *wire_frame(struct wire *wire);

/* A call. */
struct call {
	json_t *root;	    /* the object; all else is in it */
	const char *method; /* "org.ebph.Enforcer.Status" */
	json_t *parameters; /* an object */
	bool more;	    /* several replies are fine */
	bool oneway;	    /* no reply is wanted */
	bool upgrade;	    /* something else than Varlink is to follow: nothing here does that */
};

/**
 * call_parse() - reads a frame, trusting nothing of it.
 * @ret: to be freed with call_clear(); untouched on failure
 *
 * Return: 0; -EBADMSG when it is no call; -ENOMEM.
 */
int call_parse(const char *frame, struct call *ret);
void call_clear(struct call *call);

/* A parameter that a method takes. */
struct parameter {
	const char *name;
	json_type type; /* JSON_TRUE stands for both truth values */
	bool needed;
};

/**
 * call_check() - are a call's parameters those that the method takes?
 * @parameters: ended by one without name
 *
 * One that is null counts as left out, as Varlink has it.
 *
 * Return: NULL: they are; else the name of one that is not, in @call or @parameters.
 */
const char *call_check(const struct call *call, const struct parameter *parameters);

#endif
