/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames and calls of the control socket: in pieces, too long, and what is no call at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/control_parts.h"
#include "enforcer/wire.h"

static void add(struct wire *wire, const char *data, size_t bytes)
{
	assert_int_equal(wire_add(wire, data, bytes, WIRE_FRAME_MAX), 0);
}

static void expect_frame(struct wire *wire, const char *text)
{
	char *frame = wire_frame(wire);

	assert_non_null(frame);
	assert_string_equal(frame, text);
	wire_take(wire, strlen(frame) + 1);
}

static void frames_come_in_pieces(void **state)
{
	static const char data[] = "one\0\0three\0fo";
	struct wire wire = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(data) - 1; i++)
		add(&wire, data + i, 1);
	expect_frame(&wire, "one");
	expect_frame(&wire, "");
	expect_frame(&wire, "three");
	assert_null(wire_frame(&wire));
	add(&wire, "ur", 2);
	assert_null(wire_frame(&wire));
	add(&wire, "\0", 1);
	expect_frame(&wire, "four");
	assert_null(wire.data); /* who is silent holds no memory */
	wire_clear(&wire);
}

static void no_more_waits_than_is_allowed(void **state)
{
	char *data = calloc(1, WIRE_FRAME_MAX + 1);
	struct wire wire = {0};

	(void)state;
	memset(data, 'x', WIRE_FRAME_MAX);
	assert_int_equal(wire_add(&wire, data, WIRE_FRAME_MAX + 1, WIRE_FRAME_MAX), -EMSGSIZE);
	assert_int_equal(wire_add(&wire, data, SIZE_MAX, WIRE_FRAME_MAX), -EMSGSIZE);
	add(&wire, data, WIRE_FRAME_MAX);
	assert_int_equal(wire_add(&wire, data, 1, WIRE_FRAME_MAX), -EMSGSIZE);
	add(&wire, data, 0);
	assert_null(wire_frame(&wire));
	wire_take(&wire, WIRE_FRAME_MAX - 10);
	add(&wire, "\0", 1);
	expect_frame(&wire, "xxxxxxxxxx");
	wire_clear(&wire);
	free(data);
}

/* Bytes go in and come out in order, whatever the sizes, and room is used again. */
static void what_goes_in_comes_out(void **state)
{
	struct wire wire = {0};
	uint8_t next_in = 0, next_out = 0;
	unsigned int random = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t data[97];
		size_t n = (random = random * 1103515245 + 12345) >> 16 & 0xffff;

		if (n & 1) {
			for (size_t j = 0; j < n % sizeof(data); j++)
				data[j] = next_in++;
			add(&wire, (char *)data, n % sizeof(data));
		} else if (wire_bytes(&wire)) {
			n = n % wire_bytes(&wire) + 1;
			for (size_t j = 0; j < n; j++)
				assert_int_equal((uint8_t)wire.data[wire.begin + j], next_out++);
			wire_take(&wire, n);
		}
		if (wire_bytes(&wire) > 4096)
			wire_take(&wire, (next_out = next_in, wire_bytes(&wire)));
	}
	assert_true(wire.room <= 16384);
	wire_clear(&wire);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void a_call_is_read(void **state)
{
	struct call call;

	(void)state;
	assert_int_equal(call_parse("{\"method\":\"a.b\",\"more\":true,\"oneway\":null,"
				    "\"parameters\":{\"x\":1},\"extra\":[]}",
				    &call),
			 0);
	assert_string_equal(call.method, "a.b");
	assert_true(call.more);
	assert_false(call.oneway);
	assert_false(call.upgrade);
	assert_int_equal(json_integer_value(json_object_get(call.parameters, "x")), 1);
	call_clear(&call);
	assert_null(call.root);
	assert_int_equal(call_parse("{\"method\":\"a.b\"}", &call), 0);
	assert_true(json_is_object(call.parameters));
	call_clear(&call);
	assert_int_equal(call_parse("{\"method\":\"a.b\",\"parameters\":null}", &call), 0);
	assert_true(json_is_object(call.parameters));
	call_clear(&call);
}

static void what_is_no_call_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"x",
		"null",
		"1",
		"\"method\"",
		"[]",
		"{}",
		"{\"method\":1}",
		"{\"method\":null}",
		"{\"method\":\"x\"",
		"{\"method\":\"x\"}}",
		"{\"method\":\"x\"} {}",
		"{\"method\":\"x\",\"method\":\"x\"}",
		"{\"method\":\"x\",\"parameters\":[]}",
		"{\"method\":\"x\",\"parameters\":\"y\"}",
		"{\"method\":\"x\",\"more\":1}",
		"{\"method\":\"x\",\"oneway\":\"yes\"}",
		"{\"method\":\"x\",\"upgrade\":{}}",
		"{\"method\":\"\xff\"}",
		"{\"method\":\"a\\u0000b\"}",
		"{\"method\":\"x\",\"parameters\":{\"a\":1e999}}",
	};
	char *deep = calloc(1, 60001);
	struct call call = {.method = "untouched"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (call_parse(bad[i], &call) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	memset(deep, '[', 60000);
	assert_int_equal(call_parse(deep, &call), -EBADMSG);
	assert_string_equal(call.method, "untouched");
	free(deep);
}

static void expect_wrong(const char *parameters, const char *wrong)
{
	static const struct parameter known[] = {
		{"name", JSON_STRING, true},
		{"all", JSON_TRUE, false},
		{"pid", JSON_INTEGER, false},
		{0},
	};
	char text[256];
	struct call call;

	snprintf(text, sizeof(text), "{\"method\":\"x\",\"parameters\":%s}", parameters);
	assert_int_equal(call_parse(text, &call), 0);
	if (wrong)
		assert_string_equal(call_check(&call, known), wrong);
	else
		assert_null(call_check(&call, known));
	call_clear(&call);
}

static void parameters_are_checked(void **state)
{
	(void)state;
	expect_wrong("{\"name\":\"x\"}", NULL);
	expect_wrong("{\"name\":\"x\",\"all\":false,\"pid\":-1}", NULL);
	expect_wrong("{\"name\":\"x\",\"all\":null,\"pid\":null}", NULL);
	expect_wrong("{}", "name");
	expect_wrong("{\"name\":null}", "name");
	expect_wrong("{\"name\":1}", "name");
	expect_wrong("{\"name\":\"x\",\"all\":1}", "all");
	expect_wrong("{\"name\":\"x\",\"pid\":1.0}", "pid");
	expect_wrong("{\"name\":\"x\",\"pid\":true}", "pid");
	expect_wrong("{\"name\":\"x\",\"other\":null}", "other");
}

/* ---- the interface -------------------------------------------------------------------------- */

/* What the description says there is there is, and nothing else. */
static void every_method_is_described(void **state)
{
	size_t described = 0, n = 0;
	const char *name;
	char line[128];

	(void)state;
	for (const char *at = control_interface; (at = strstr(at, "\nmethod ")); at++)
		described++;
	for (size_t i = 0; (name = method_name(i)); i++) {
		if (strncmp(name, INTERFACE ".", strlen(INTERFACE ".")) != 0)
			continue;
		n++;
		snprintf(line, sizeof(line), "\nmethod %s(", name + strlen(INTERFACE "."));
		assert_non_null(strstr(control_interface, line));
	}
	assert_int_equal(n, described);
	assert_non_null(strstr(control_interface, "\ninterface " INTERFACE "\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_in_pieces),
		cmocka_unit_test(no_more_waits_than_is_allowed),
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(a_call_is_read),
		cmocka_unit_test(what_is_no_call_is_refused),
		cmocka_unit_test(parameters_are_checked),
		cmocka_unit_test(every_method_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
