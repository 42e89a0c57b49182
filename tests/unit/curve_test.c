/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a call has to wait: by hand, and as the model of tests/bpf says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/delay.h"
#include "random.h"
#include "tests/bpf/model.h"

#define MS  1000000ull
#define S   (1000 * MS)
#define MIN (60 * S)

enum { EXP = EBPH_CURVE_EXPONENTIAL, LIN = EBPH_CURVE_LINEAR };
enum { FRAME = EBPH_DELAY_ON_FRAME, ANOMALY = EBPH_DELAY_ON_ANOMALY };

/* clang-format off */
static const struct {
	uint32_t curve, delay_on, tolerance;
	uint64_t base, max;
	uint32_t recent;
	bool anomaly;
	uint64_t delay;
} cases[] = {
	/* The table of pH: 10 ms. */
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, 0, false, 0},
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, 1, true, 20 * MS},
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, 1, false, 20 * MS},
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, 5, false, 320 * MS},
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, 10, false, 10240 * MS},
	{EXP, FRAME, 0, 10 * MS, 60 * MIN, 15, false, 327680 * MS},
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, 15, false, 5 * MIN},
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, 128, false, 5 * MIN},
	{EXP, FRAME, 0, 10 * MS, 5 * MIN, UINT32_MAX, true, 5 * MIN},
	/* A shift over the top: 10 s x 2^31 fit no 64 bits. */
	{EXP, FRAME, 0, 10 * S, 60 * MIN, 31, true, 60 * MIN},
	{EXP, FRAME, 0, 10 * S, 60 * MIN, 39, true, 60 * MIN},
	{EXP, FRAME, 3, 10 * MS, 5 * MIN, 3, true, 0},
	{EXP, FRAME, 3, 10 * MS, 5 * MIN, 4, true, 160 * MS},
	{EXP, ANOMALY, 0, 10 * MS, 5 * MIN, 5, false, 0},
	{EXP, ANOMALY, 0, 10 * MS, 5 * MIN, 5, true, 320 * MS},
	{EXP, ANOMALY, 5, 10 * MS, 5 * MIN, 5, true, 0},
	{LIN, FRAME, 0, 10 * MS, 5 * MIN, 0, false, 0},
	{LIN, FRAME, 0, 10 * MS, 5 * MIN, 1, true, 10 * MS},
	{LIN, FRAME, 0, 10 * MS, 5 * MIN, 5, false, 50 * MS},
	{LIN, FRAME, 0, 10 * MS, 5 * MIN, 128, false, 1280 * MS},
	{LIN, FRAME, 0, 10 * S, 5 * MIN, 30, false, 5 * MIN},
	{LIN, FRAME, 0, 10 * S, 5 * MIN, 31, false, 5 * MIN},
	{LIN, FRAME, 0, 7 * MS, 20 * MS, 2, false, 14 * MS},
	{LIN, FRAME, 0, 7 * MS, 20 * MS, 3, false, 20 * MS},
	{LIN, FRAME, 0, 10 * S, 60 * MIN, UINT32_MAX, true, 60 * MIN},
	{LIN, FRAME, 2, 10 * MS, 5 * MIN, 3, false, 30 * MS},
	{LIN, ANOMALY, 0, 10 * MS, 5 * MIN, 5, false, 0},
	{LIN, ANOMALY, 0, 10 * MS, 5 * MIN, 5, true, 50 * MS},
};
/* clang-format on */

static uint64_t model_delay(const struct ebph_settings *settings, uint32_t recent, bool anomaly)
{
	const struct model_rule rule = {
		.base_ns = settings->delay_base_ns,
		.max_ns = settings->max_delay_ns,
		.tolerance = settings->tolerance,
		.linear = settings->delay_curve == EBPH_CURVE_LINEAR,
		.on_anomaly = settings->delay_on == EBPH_DELAY_ON_ANOMALY,
	};

	return model_answer(&rule, (struct model_call){MODEL_NATIVE, 1}, recent, anomaly).delay_ns;
}

static void delays_are_those_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct ebph_settings settings = {
			.delay_base_ns = cases[i].base,
			.max_delay_ns = cases[i].max,
			.tolerance = cases[i].tolerance,
			.delay_curve = cases[i].curve,
			.delay_on = cases[i].delay_on,
		};
		uint64_t delay = ebph_delay_ns(&settings.rule, cases[i].recent, cases[i].anomaly);

		if (delay != cases[i].delay)
			fail_msg("row %zu: %llu ns, not %llu", i, (unsigned long long)delay,
				 (unsigned long long)cases[i].delay);
		assert_true(model_delay(&settings, cases[i].recent, cases[i].anomaly) == delay);
	}
}

static void delays_are_those_of_the_model(void **state)
{
	uint64_t random = random_start();

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t base = MS + random_next(&random) % (10 * S);
		const struct ebph_settings settings = {
			.delay_base_ns = base,
			.max_delay_ns = base + random_next(&random) % (60 * MIN),
			.tolerance = (uint32_t)random_next(&random) % 20,
			.delay_curve = (uint32_t)random_next(&random) & 1,
			.delay_on = (uint32_t)random_next(&random) & 1,
		};
		uint32_t recent = (uint32_t)random_next(&random) >> random_next(&random) % 32;
		bool anomaly = random_next(&random) & 1;

		assert_true(ebph_delay_ns(&settings.rule, recent, anomaly) ==
			    model_delay(&settings, recent, anomaly));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delays_are_those_of_the_table),
		cmocka_unit_test(delays_are_those_of_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
