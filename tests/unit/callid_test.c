/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Call ids: which number of which ABI becomes which id, and what it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <asm/unistd_64.h>
#include <linux/io_uring.h>

#include <cmocka.h>

#include "bpf/callid.h"
#include "enforcer/callname.h"
#include "random.h"

static void native_and_ia32_have_ranges_of_their_own(void **state)
{
	(void)state;
	for (uint32_t nr = 0; nr < 512; nr++) {
		assert_int_equal(ebph_call_id(nr, 0), nr);
		assert_int_equal(ebph_call_id(nr, 1), 512 + nr);
		/* TS_COMPAT is bit 1 of its word: any bit will do. */
		assert_int_equal(ebph_call_id(nr, 2), 512 + nr);
	}
}

static void number_20_is_getpid_or_writev(void **state)
{
	char buffer[CALLNAME_MAX];

	(void)state;
	assert_string_equal(callname(ebph_call_id(20, 1), buffer), "ia32:getpid");
	assert_string_equal(callname(ebph_call_id(20, 0), buffer), "writev");
}

static void numbers_beyond_every_table_are_invalid(void **state)
{
	static const uint64_t invalid[] = {512,	       513,	   1023,       1024,
					   2047,       2048,	   0x12345,    0x3fffffff,
					   0x80000000, 0x800001ff, 0xffffffff, -1ULL};

	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		assert_int_equal(ebph_call_id(invalid[i], 0), EBPH_CALL_INVALID);
		assert_int_equal(ebph_call_id(invalid[i], 1), EBPH_CALL_INVALID);
	}
}

static void x32_calls_share_one_bucket(void **state)
{
	(void)state;
	for (uint32_t nr = 0; nr < 1024; nr++) {
		assert_int_equal(ebph_call_id(0x40000000 | nr, 0), EBPH_CALL_X32);
		/* No 32-bit door leads to x32. */
		assert_int_equal(ebph_call_id(0x40000000 | nr, 1), EBPH_CALL_INVALID);
	}
}

static void upper_half_of_the_register_chooses_no_other_call(void **state)
{
	uint64_t random = random_start();

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		/* Few bits or many, low or high: both halves get near every border. */
		uint64_t nr = random_next(&random) >> random_below(&random, 64);
		uint32_t low = (uint32_t)nr;

		if (random_below(&random, 2))
			nr = ~nr, low = ~low;
		assert_int_equal(ebph_call_id(nr, 0), ebph_call_id(low, 0));
		assert_int_equal(ebph_call_id(nr, 1), ebph_call_id(low, 1));
		if (low >= 512) {
			assert_in_range(ebph_call_id(nr, 0), EBPH_CALL_X32, EBPH_CALL_INVALID);
			assert_int_equal(ebph_call_id(nr, 1), EBPH_CALL_INVALID);
		}
	}
	assert_int_equal(ebph_call_id(0x100000001, 0), 1);
	assert_int_equal(ebph_call_id(0xffffffff00000014, 1), 512 + 20);
	assert_int_equal(ebph_call_id(0x4000000000000000, 0), 0);
}

static void io_uring_operations_have_a_range_of_their_own(void **state)
{
	(void)state;
	for (uint32_t opcode = 0; opcode < 256; opcode++)
		assert_int_equal(ebph_call_uring(opcode), 1280 + opcode);
}

static void ids_fit_and_differ(void **state)
{
	static const uint32_t ids[] = {511,
				       1023,
				       EBPH_CALL_X32,
				       EBPH_CALL_INVALID,
				       EBPH_CALL_URING,
				       EBPH_CALL_URING + 255,
				       EBPH_CALL_HANDLER,
				       EBPH_CALL_NONE};

	(void)state;
	for (size_t i = 1; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_true(ids[i] > ids[i - 1]);
	assert_true(EBPH_CALL_NONE <= EBPH_CALL_MASK);
	assert_int_equal(EBPH_CALL_MASK, (1 << EBPH_CALL_BITS) - 1);
}

/* Is the name of @id, whatever its ABI, one of the two? */
static bool named(uint32_t id, const char *a, const char *b)
{
	char buffer[CALLNAME_MAX];
	const char *name = callname(id, buffer);

	if (!strncmp(name, "ia32:", 5))
		name += 5;
	return !strcmp(name, a) || !strcmp(name, b);
}

static void calls_that_matter_are_those_of_that_name(void **state)
{
	(void)state;
	for (uint32_t id = 0; id <= EBPH_CALL_MASK; id++) {
		assert_int_equal(!!ebph_call_is_exec(id), named(id, "execve", "execveat"));
		assert_int_equal(!!ebph_call_is_exit(id), named(id, "exit", "exit_group"));
		assert_int_equal(!!ebph_call_is_sigreturn(id),
				 named(id, "sigreturn", "rt_sigreturn"));
	}
	assert_true(ebph_call_is_exec(__NR_execve) && ebph_call_is_exec(__NR_execveat));
	assert_true(ebph_call_is_exit(__NR_exit) && ebph_call_is_exit(__NR_exit_group));
	assert_true(ebph_call_is_sigreturn(__NR_rt_sigreturn));
}

static void every_id_has_a_name(void **state)
{
	static const struct {
		uint32_t id;
		const char *name;
	} names[] = {
		{__NR_read, "read"},
		{__NR_execveat, "execveat"},
		{511, "call 511"},
		{512, "ia32:restart_syscall"},
		{512 + 4, "ia32:write"},
		{1023, "ia32:call 511"},
		{EBPH_CALL_X32, "x32"},
		{EBPH_CALL_INVALID, "invalid"},
		{EBPH_CALL_NONE, "-"},
		{1026, "call 1026"},
		{EBPH_CALL_URING, "uring:nop"},
		{EBPH_CALL_URING + IORING_OP_OPENAT, "uring:openat"},
		{EBPH_CALL_URING + 255, "uring:op 255"},
		{EBPH_CALL_URING + 256, "call 1536"},
		{EBPH_CALL_POLLER, "polling thread"},
		{EBPH_CALL_HANDLER, "signal handler"},
		{UINT32_MAX, "call 4294967295"},
	};
	char buffer[CALLNAME_MAX], other[CALLNAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(callname(names[i].id, buffer), names[i].name);
	for (uint32_t id = 0; id <= EBPH_CALL_MASK; id++)
		for (uint32_t before = 0; before < id && (id < 1030 || (id >= 1280 && id < 1550));
		     before++)
			assert_string_not_equal(callname(id, buffer), callname(before, other));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(native_and_ia32_have_ranges_of_their_own),
		cmocka_unit_test(number_20_is_getpid_or_writev),
		cmocka_unit_test(numbers_beyond_every_table_are_invalid),
		cmocka_unit_test(x32_calls_share_one_bucket),
		cmocka_unit_test(upper_half_of_the_register_chooses_no_other_call),
		cmocka_unit_test(io_uring_operations_have_a_range_of_their_own),
		cmocka_unit_test(ids_fit_and_differ),
		cmocka_unit_test(calls_that_matter_are_those_of_that_name),
		cmocka_unit_test(every_id_has_a_name),
	};

	return cmocka_run_group_tests_name("callid", tests, NULL, NULL);
}
