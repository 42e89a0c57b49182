/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The window, the locality frame and the rule that ends training, against models that are slow
 * and plain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/lookahead.h"
#include "random.h"

/* ---- window ---------------------------------------------------------------------------- */

/* The last nine ids, the current one first. */
struct window_model {
	uint32_t id[9];
};

static void model_shift(struct window_model *model, uint32_t id)
{
	memmove(&model->id[1], &model->id[0], 8 * sizeof(model->id[0]));
	model->id[0] = id;
}

static void assert_window(const struct ebph_window *window, const struct window_model *model)
{
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(ebph_window_at(window, i), model->id[i]);
}

static void window_of(struct ebph_window *window, const struct window_model *model)
{
	ebph_window_clear(window);
	for (int i = 8; i >= 0; i--)
		ebph_window_shift(window, model->id[i]);
}

static uint32_t random_id(uint64_t *random)
{
	static const uint32_t ids[] = {0, 1, 0x400, 0x7fe, 0x7ff};

	if (random_below(random, 4))
		return random_below(random, 0x800);
	return ids[random_below(random, 5)];
}

static void cleared_window_is_nine_times_none(void **state)
{
	struct ebph_window window = {0x1234, 0x5678}, again;

	(void)state;
	ebph_window_clear(&window);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(ebph_window_at(&window, i), EBPH_CALL_NONE);
	again = window;
	ebph_window_shift(&again, EBPH_CALL_NONE);
	assert_true(ebph_window_equal(&window, &again));
}

static void window_holds_the_last_nine_ids(void **state)
{
	uint64_t random = random_start();
	struct window_model model;
	struct ebph_window window;

	(void)state;
	for (unsigned int round = 0; round < 1000; round++) {
		ebph_window_clear(&window);
		for (uint32_t i = 0; i < 9; i++)
			model.id[i] = EBPH_CALL_NONE;
		for (uint32_t n = random_below(&random, 100); n; n--) {
			uint32_t id = random_id(&random);

			ebph_window_shift(&window, id);
			model_shift(&model, id);
			assert_window(&window, &model);
		}
	}
}

static void ids_with_all_bits_set_spill_nowhere(void **state)
{
	struct window_model model = {{0}};
	struct ebph_window window;

	(void)state;
	window_of(&window, &model);
	for (uint32_t i = 0; i < 30; i++) {
		/* What is above 11 bits is no part of an id. */
		ebph_window_shift(&window, i % 9 == 4 ? UINT32_MAX : 0xfffff800);
		model_shift(&model, i % 9 == 4 ? 0x7ff : 0);
		assert_window(&window, &model);
	}
}

static void windows_are_equal_when_all_ids_are(void **state)
{
	static const struct ebph_window empty;
	uint64_t random = random_start();
	struct window_model model;
	struct ebph_window window, other;

	(void)state;
	for (unsigned int round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < 9; i++)
			model.id[i] = round ? random_id(&random) : 0;
		window_of(&window, &model);
		/* Another past, the same nine: the same window. */
		other = window;
		for (uint32_t i = 0; i < 20; i++)
			ebph_window_shift(&other, random_id(&random));
		for (int i = 8; i >= 0; i--)
			ebph_window_shift(&other, model.id[i]);
		assert_true(ebph_window_equal(&window, &other));
		assert_int_equal(ebph_window_hash(&window), ebph_window_hash(&other));
		/* An entry that nothing was put in equals no window. */
		assert_false(ebph_window_equal(&window, &empty));
		for (uint32_t bit = 0; bit < 99; bit++) {
			struct window_model changed = model;

			changed.id[bit / 11] ^= 1u << bit % 11;
			window_of(&other, &changed);
			assert_false(ebph_window_equal(&window, &other));
		}
	}
}

/* Each of the 99 bits can change the hash, or windows of one loop would crowd in one entry. */
static void hash_depends_on_every_id(void **state)
{
	uint64_t random = random_start();

	(void)state;
	for (uint32_t bit = 0; bit < 99; bit++) {
		unsigned int same = 0;

		for (unsigned int round = 0; round < 256; round++) {
			struct window_model model;
			struct ebph_window window, other;

			for (uint32_t i = 0; i < 9; i++)
				model.id[i] = random_id(&random);
			window_of(&window, &model);
			model.id[bit / 11] ^= 1u << bit % 11;
			window_of(&other, &model);
			same += ebph_window_hash(&window) == ebph_window_hash(&other);
		}
		if (same == 256)
			fail_msg("bit %u of the id at distance %u never counts", bit % 11,
				 bit / 11);
	}
}

/* ---- locality frame -------------------------------------------------------------------- */

static void frame_counts_the_last_128_calls(void **state)
{
	uint64_t random = random_start();
	struct ebph_frame frame = {0};
	bool model[128] = {false}; /* the newest first */
	uint32_t per_mille = 500;

	(void)state;
	for (unsigned int push = 0; push < 100000; push++) {
		bool anomaly = random_below(&random, 1000) < per_mille;
		uint64_t lo = 0, hi = 0;
		uint32_t count = 0;

		/* Quiet times and floods, some longer than the frame. */
		if (!random_below(&random, 200))
			per_mille = random_below(&random, 3) * 500;
		ebph_frame_push(&frame, anomaly);
		memmove(&model[1], &model[0], 127 * sizeof(model[0]));
		model[0] = anomaly;
		for (unsigned int i = 0; i < 128; i++) {
			count += model[i];
			*(i < 64 ? &lo : &hi) |= (uint64_t)model[i] << i % 64;
		}
		assert_int_equal(frame.count, count);
		assert_true(frame.lo == lo && frame.hi == hi);
	}
}

/* ebpH cleared the bits and kept their sum. */
static void anomalies_are_forgotten_after_128_calls(void **state)
{
	(void)state;
	for (uint32_t flood = 1; flood <= 300; flood++) {
		struct ebph_frame frame = {0};
		uint32_t most = flood < 128 ? flood : 128;

		for (uint32_t i = 0; i < flood; i++)
			ebph_frame_push(&frame, 1);
		assert_int_equal(frame.count, most);
		for (uint32_t i = 0; i < 128 - most; i++)
			ebph_frame_push(&frame, 0);
		assert_int_equal(frame.count, most);
		for (uint32_t left = most; left; left--) {
			ebph_frame_push(&frame, 0);
			assert_int_equal(frame.count, left - 1);
		}
		assert_true(frame.lo == 0 && frame.hi == 0);
	}
}

/* ---- freezing -------------------------------------------------------------------------- */

/* A profile in training as pH 0.22 keeps it (pH_train()), asked after every call. */
struct ph_profile {
	uint64_t train_count;
	uint64_t last_mod_count;
	bool frozen;
};

static void ph_train(struct ph_profile *profile, bool has_news, uint64_t factor, uint64_t den)
{
	uint64_t normal_count;

	profile->train_count++;
	if (has_news) {
		profile->last_mod_count = profile->train_count;
		profile->frozen = false;
		return;
	}
	normal_count = profile->train_count - profile->last_mod_count;
	if (normal_count > 0 && profile->train_count * den > normal_count * factor)
		profile->frozen = true;
}

static void freezes_when_ph_would_have(void **state)
{
	uint64_t random = random_start();
	unsigned int frozen = 0, training = 0;

	(void)state;
	for (unsigned int history = 0; history < 2000; history++) {
		struct ph_profile profile = {0};
		uint32_t factor = 1 + random_below(&random, 1u << random_below(&random, 12));
		uint32_t den = 1 + random_below(&random, 1u << random_below(&random, 8));
		uint32_t news_every = 1 + random_below(&random, 40);

		for (unsigned int call = 0; call < 300; call++) {
			bool ours;

			ph_train(&profile, !random_below(&random, news_every), factor, den);
			/* Asked at any time, not only at the call after the last news. */
			ours = ebph_may_freeze(profile.train_count, profile.last_mod_count, 1,
					       factor, den, 0, 0);
			if (ours != profile.frozen)
				fail_msg("call %llu, last news at %llu, factor %u/%u: pH %s, ours "
					 "%s",
					 (unsigned long long)profile.train_count,
					 (unsigned long long)profile.last_mod_count, factor, den,
					 profile.frozen ? "freezes" : "trains",
					 ours ? "freezes" : "trains");
			*(ours ? &frozen : &training) += 1;
		}
	}
	/* Both happened, or nothing was tested. */
	assert_true(frozen > 10000 && training > 10000);
}

static bool freezes(uint64_t calls, uint64_t last_mod_calls)
{
	return ebph_may_freeze(calls, last_mod_calls, 1, 128, 32, 0, 0);
}

static void default_factor_wants_four_calls_before_the_last_news(void **state)
{
	(void)state;
	assert_false(freezes(0, 0));
	assert_false(freezes(1, 1));
	assert_false(freezes(1000000, 3)); /* 4 * 32 = 128 */
	assert_false(freezes(4, 4));	   /* that call had news */
	assert_true(freezes(5, 4));
	/* pH would say no by now (1000 * 32 < 996 * 128), but said yes at call 5. */
	assert_true(freezes(1000, 4));
	assert_true(freezes(UINT64_C(10000000001), UINT64_C(10000000000)));
	/* Another CPU noted its news before this one's calls were added up. */
	assert_false(freezes(99, 100));
}

static void minima_hold_to_the_very_call_and_run(void **state)
{
	(void)state;
	assert_false(ebph_may_freeze(999, 500, 3, 128, 32, 1000, 3));
	assert_true(ebph_may_freeze(1000, 500, 3, 128, 32, 1000, 3));
	assert_false(ebph_may_freeze(1000, 500, 2, 128, 32, 1000, 3));
	assert_true(ebph_may_freeze(1001, 500, 4, 128, 32, 1000, 3));
	assert_false(ebph_may_freeze(1000, 1000, 3, 128, 32, 1000, 3));
	assert_false(
		ebph_may_freeze(UINT64_C(1) << 32, 500, 3, 128, 32, (UINT64_C(1) << 32) + 1, 3));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleared_window_is_nine_times_none),
		cmocka_unit_test(window_holds_the_last_nine_ids),
		cmocka_unit_test(ids_with_all_bits_set_spill_nowhere),
		cmocka_unit_test(windows_are_equal_when_all_ids_are),
		cmocka_unit_test(hash_depends_on_every_id),
		cmocka_unit_test(frame_counts_the_last_128_calls),
		cmocka_unit_test(anomalies_are_forgotten_after_128_calls),
		cmocka_unit_test(freezes_when_ph_would_have),
		cmocka_unit_test(default_factor_wants_four_calls_before_the_last_news),
		cmocka_unit_test(minima_hold_to_the_very_call_and_run),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
