// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ----------------------------------------------------------------------------- */

void wire_clear(struct wire *wire)
{
	free(wire->data);
	*wire = (struct wire){0};
}

/* Moves what waits to the front, and makes room for so much more. */
static int wire_make_room(struct wire *wire, size_t bytes)
{
	size_t waits = wire_bytes(wire), room = wire->room ? wire->room : 4096;
	char *data;

	if (wire->end + bytes <= wire->room)
		return 0;
	if (wire->begin)
		memmove(wire->data, wire->data + wire->begin, waits);
	wire->begin = 0;
	wire->end = waits;
	while (room < waits + bytes)
		room *= 2;
	if (room == wire->room)
		return 0;
	data = realloc(wire->data, room);
	if (!data)
		return -ENOMEM;
	wire->data = data;
	wire->room = room;
	return 0;
}

int wire_add(struct wire *wire, const void *data, size_t bytes, size_t most)
{
	int r;

	if (!bytes)
		return 0;
	if (bytes > most || wire_bytes(wire) > most - bytes)
		return -EMSGSIZE;
	r = wire_make_room(wire, bytes);
	if (r)
		return r;
	memcpy(wire->data + wire->end, data, bytes);
	wire->end += bytes;
	return 0;
}

void wire_take(struct wire *wire, size_t bytes)
{
	wire->begin += bytes;
	wire->searched = 0;
	if (wire->begin == wire->end)
		wire_clear(wire); /* who is silent holds no memory */
}

char *wire_frame(struct wire *wire)
{
	char *frame = wire->data ? wire->data + wire->begin : NULL;

	/* What was searched once is not searched again: a long frame comes in many pieces. */
	if (frame && memchr(frame + wire->searched, '\0', wire_bytes(wire) - wire->searched))
		return frame;
	wire->searched = wire_bytes(wire);
	return NULL;
}

/* ---- calls ----------------------------------------------------------------------------- */

/* Return: false when it is there and no truth value. */
static bool flag_read(const json_t *root, const char *name, bool *ret)
{
	const json_t *flag = json_object_get(root, name);

	*ret = json_is_true(flag);
	return !flag || json_is_boolean(flag) || json_is_null(flag);
}

int call_parse(const char *frame, struct call *ret)
{
	json_error_t error;
	json_t *root = json_loads(frame, JSON_REJECT_DUPLICATES, &error);
	struct call call = {
		.root = root,
		.method = json_string_value(json_object_get(root, "method")),
		.parameters = json_object_get(root, "parameters"),
	};

	if (!call.method || !flag_read(root, "more", &call.more) ||
	    !flag_read(root, "oneway", &call.oneway) || !flag_read(root, "upgrade", &call.upgrade))
		goto bad;
	if (!call.parameters || json_is_null(call.parameters)) {
		call.parameters = json_object();
		if (json_object_set_new(root, "parameters", call.parameters))
			goto bad;
	}
	if (!json_is_object(call.parameters))
		goto bad;
	*ret = call;
	return 0;
bad:
	json_decref(root);
	return -EBADMSG;
}

void call_clear(struct call *call)
{
	json_decref(call->root);
	*call = (struct call){0};
}

static bool is_of_type(const json_t *value, json_type type)
{
	return json_typeof(value) == type || (type == JSON_TRUE && json_is_boolean(value));
}

static const struct parameter *parameter_find(const struct parameter *parameters, const char *name)
{
	for (; parameters->name; parameters++)
		if (!strcmp(parameters->name, name))
			return parameters;
	return NULL;
}

const char *call_check(const struct call *call, const struct parameter *parameters)
{
	const char *name;
	json_t *value;

	json_object_foreach(call->parameters, name, value)
	{
		const struct parameter *parameter = parameter_find(parameters, name);

		if (!parameter || (!json_is_null(value) && !is_of_type(value, parameter->type)))
			return name;
	}
	for (; parameters->name; parameters++) {
		value = json_object_get(call->parameters, parameters->name);
		if (parameters->needed && (!value || json_is_null(value)))
			return parameters->name;
	}
	return NULL;
}
