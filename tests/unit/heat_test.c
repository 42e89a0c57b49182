/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Heat against exp2(): anomalies that count half after each half-life. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "bpf/lookahead.h"
#include "random.h"

#define UNIT_NS	  (1ull << EBPH_HEAT_TIME_SHIFT)
#define SECOND_NS 1000000000ull
#define DAY_NS	  (86400 * SECOND_NS)

static double heat_of(uint64_t word)
{
	return (double)(uint32_t)word / EBPH_HEAT_ONE;
}

static void anomalies_at_once_all_count(void **state)
{
	uint64_t heat = 0;

	(void)state;
	for (uint32_t i = 1; i <= 2002; i++) {
		heat = ebph_heat_add(heat, 5 * SECOND_NS, 60 * SECOND_NS);
		assert_int_equal(ebph_heat_count(heat), i);
	}
}

static void half_is_left_after_each_half_life(void **state)
{
	static const uint64_t half_lives[] = {SECOND_NS, 60 * SECOND_NS, 3600 * SECOND_NS, DAY_NS,
					      30 * DAY_NS};

	(void)state;
	for (size_t i = 0; i < sizeof(half_lives) / sizeof(*half_lives); i++) {
		uint64_t heat = 0, then = 77 * SECOND_NS;

		for (int n = 0; n < 1024; n++)
			heat = ebph_heat_add(heat, then, half_lives[i]);
		for (int n = 0; n <= 10; n++) {
			uint64_t later = ebph_heat_decay(heat, then + (uint64_t)n * half_lives[i],
							 half_lives[i]);

			/* Time goes in steps of 17 ms, 1.7 % of the shortest half-life. */
			assert_true(fabs(heat_of(later) / exp2(10 - n) - 1) < 0.02);
		}
	}
}

/* Never more than 0.2 % and a step of 1/256 from the exact value, after any time. */
static void decay_is_exponential(void **state)
{
	uint64_t random = random_start();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t half_life = SECOND_NS + random_next(&random) % (30 * DAY_NS);
		uint64_t then = random_next(&random) % (10000 * DAY_NS) / UNIT_NS * UNIT_NS;
		uint64_t units = random_next(&random) % (8 * half_life / UNIT_NS);
		uint32_t value = (uint32_t)random_next(&random);
		uint64_t heat = (then / UNIT_NS & 0xffffffff) << 32 | value;
		double exact = value * exp2(-(double)(units * UNIT_NS) / (double)half_life);
		uint64_t later = ebph_heat_decay(heat, then + units * UNIT_NS, half_life);

		if (units > 0x7fffffff)
			continue;
		assert_true(fabs((double)(uint32_t)later - exact) <= exact * 0.002 + 2);
	}
}

/* Asked often, it must not cool down more slowly, or faster, than asked once. */
static void asking_changes_nothing(void **state)
{
	uint64_t now = 9 * SECOND_NS, heat = 0, once;

	(void)state;
	for (int i = 0; i < 100000; i++)
		heat = ebph_heat_add(heat, now, 60 * SECOND_NS);
	once = ebph_heat_decay(heat, now + 120 * SECOND_NS, 60 * SECOND_NS);
	for (int i = 0; i < 120; i++) {
		now += SECOND_NS;
		heat = ebph_heat_decay(heat, now, 60 * SECOND_NS);
	}
	assert_true(fabs(heat_of(heat) / heat_of(once) - 1) < 0.02);
	assert_true(fabs(heat_of(heat) / 25000 - 1) < 0.02);
}

static void a_steady_rate_gives_a_steady_heat(void **state)
{
	uint64_t now = 0, heat = 0;

	(void)state;
	for (int i = 0; i < 6000; i++) {
		now += SECOND_NS / 10;
		heat = ebph_heat_add(heat, now, 60 * SECOND_NS);
	}
	/* rate x half-life / ln 2 */
	assert_true(fabs(heat_of(heat) / (10 * 60 / M_LN2) - 1) < 0.03);
}

/* Clocks of two CPUs may differ by a little; time must not seem to have wrapped round. */
static void a_clock_that_is_behind_cools_nothing(void **state)
{
	uint64_t heat = ebph_heat_add(0, 10 * SECOND_NS, SECOND_NS);

	(void)state;
	assert_int_equal(ebph_heat_decay(heat, 9 * SECOND_NS, SECOND_NS), heat);
}

static void heat_does_not_overflow(void **state)
{
	uint64_t heat = 0xffffff00ull;

	(void)state;
	for (int i = 0; i < 10; i++)
		heat = ebph_heat_add(heat, 0, SECOND_NS);
	assert_true(ebph_heat_count(heat) >= 0xffffff00u / EBPH_HEAT_ONE);
	assert_int_equal(heat >> 32, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anomalies_at_once_all_count),
		cmocka_unit_test(half_is_left_after_each_half_life),
		cmocka_unit_test(decay_is_exponential),
		cmocka_unit_test(asking_changes_nothing),
		cmocka_unit_test(a_steady_rate_gives_a_steady_heat),
		cmocka_unit_test(a_clock_that_is_behind_cools_nothing),
		cmocka_unit_test(heat_does_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
