// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a client of the control socket may send: in two pieces, cut into frames, read as calls; and
 * what base64 may be in one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "enforcer/base64.h"
#include "enforcer/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read as bytes is what those bytes are as text. */
static void base64_try(const char *text)
{
	void *data = NULL;
	size_t bytes = 0;
	char *again;

	if (base64_bytes(text, &data, &bytes))
		return;
	again = base64_text(data, bytes);
	if (again && strcmp(again, text) != 0)
		abort();
	free(again);
	free(data);
}

static void call_try(const char *frame)
{
	static const struct parameter parameters[] = {
		{"name", JSON_STRING, true},
		{"pid", JSON_INTEGER, false},
		{"all", JSON_TRUE, false},
		{0},
	};
	struct call call;

	if (call_parse(frame, &call))
		return;
	/* What is taken has a name and parameters, and can be told from what is not. */
	if (!call.method || !json_is_object(call.parameters))
		abort();
	if (!call_check(&call, parameters) &&
	    !json_is_string(json_object_get(call.parameters, "name")))
		abort();
	call_clear(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire wire = {0};
	size_t half = size ? data[0] % size : 0, taken = 0;
	char *frame;

	if (size > WIRE_FRAME_MAX)
		return 0;
	if (wire_add(&wire, data, half, WIRE_FRAME_MAX))
		abort();
	wire_frame(&wire);
	if (wire_add(&wire, data + half, size - half, WIRE_FRAME_MAX))
		abort();
	while ((frame = wire_frame(&wire))) {
		size_t bytes = strlen(frame) + 1;

		if (memcmp(frame, data + taken, bytes) != 0)
			abort();
		call_try(frame);
		base64_try(frame);
		taken += bytes;
		wire_take(&wire, bytes);
	}
	if (taken + wire_bytes(&wire) != size)
		abort();
	wire_clear(&wire);
	return 0;
}
