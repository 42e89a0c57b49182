/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pair set, against a table with a place for every pair there can be. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/lookahead.h"
#include "bpf/pairset.h"
#include "random.h"

#define IDS 2048

/* What must be in a set: both masks of every pair, 0 where there is no word. */
struct model {
	uint16_t masks[IDS][IDS];
	uint32_t words;
};

struct set {
	uint32_t blocks;
	struct ebph_block block[]; /* as a map has it: zero at first */
};

static struct set *set_new(uint32_t blocks)
{
	size_t size = sizeof(struct set) + blocks * sizeof(struct ebph_block);
	struct set *set = aligned_alloc(64, (size + 63) / 64 * 64);

	assert_non_null(set);
	memset(set, 0, size);
	set->blocks = blocks;
	return set;
}

static int set_add(struct set *set, uint32_t current, uint32_t earlier, uint64_t bits)
{
	return ebph_pair_add(set->block, set->blocks, ebph_word_key(current, earlier), bits);
}

static uint64_t set_find(struct set *set, uint32_t current, uint32_t earlier)
{
	return ebph_pair_find(set->block, set->blocks, ebph_word_key(current, earlier));
}

static struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	return model;
}

/* What adding must say, unless the set is full. */
static enum ebph_pair_result model_add(struct model *model, uint32_t current, uint32_t earlier,
				       uint64_t bits)
{
	uint16_t *masks = &model->masks[current][earlier], before = *masks;

	*masks |= (uint16_t)bits;
	if (!before) {
		model->words++;
		return EBPH_PAIR_NEW;
	}
	return *masks == before ? EBPH_PAIR_KNOWN : EBPH_PAIR_EXTENDED;
}

/* The set has what the model has: nothing more, nothing less, no word twice. */
static void assert_same(struct set *set, const struct model *model)
{
	uint32_t words = 0;

	for (uint32_t i = 0; i < set->blocks; i++) {
		for (uint32_t j = 0; j < EBPH_BLOCK_WORDS; j++) {
			uint64_t word = set->block[i].word[j];
			uint32_t current = ebph_word_current(word);
			uint32_t earlier = ebph_word_earlier(word);

			if (!word)
				continue;
			words++;
			assert_int_equal(word & ~(EBPH_WORD_KEY_MASK | 0xffff), 0);
			assert_int_equal(word & 0xffff, model->masks[current][earlier]);
			/* A second word of a pair would not be the one that is found. */
			assert_true(set_find(set, current, earlier) == word);
		}
	}
	assert_int_equal(words, model->words);
}

/* Pairs are drawn from a few ids, so that they come again; the ends of all ranges among them. */
struct pool {
	uint32_t id[64];
	uint32_t n;
};

static void pool_fill(struct pool *pool, uint64_t *random, uint32_t n)
{
	static const uint32_t ends[] = {0, 511, 512, 1023, 1024, 1025, 2047};

	for (pool->n = 0; pool->n < n; pool->n++)
		pool->id[pool->n] = pool->n < 7 ? ends[pool->n] : random_below(random, IDS);
}

static uint32_t pool_id(const struct pool *pool, uint64_t *random)
{
	return pool->id[random_below(random, pool->n)];
}

/* One bit or several, of either mask or both. */
static uint64_t random_bits(uint64_t *random)
{
	uint64_t bits = ebph_word_bits(1 + random_below(random, 8));

	switch (random_below(random, 4)) {
	case 0:
		return bits & EBPH_WORD_TRAINING_BITS;
	case 1:
		return bits & EBPH_WORD_NORMAL_BITS;
	case 2:
		return bits;
	default:
		return 1 + random_below(random, 0xffff);
	}
}

static void word_holds_a_pair_and_two_masks(void **state)
{
	uint64_t random = random_start();

	(void)state;
	assert_true(ebph_word_key(0, 0) != 0);
	for (unsigned int i = 0; i < 10000; i++) {
		uint32_t current = random_below(&random, IDS), earlier = random_below(&random, IDS);
		uint64_t key = ebph_word_key(current, earlier), word = key | 0xa53c;

		assert_int_equal(ebph_word_current(word), current);
		assert_int_equal(ebph_word_earlier(word), earlier);
		assert_int_equal(ebph_word_training(word), 0xa5);
		assert_int_equal(ebph_word_normal(word), 0x3c);
		assert_true((word & EBPH_WORD_KEY_MASK) == key && !(key & 0xffff));
		/* What is above 11 bits is no part of an id. */
		assert_true(ebph_word_key(current | 0xfffff800, earlier | 0xfffff800) == key);
	}
}

static void each_distance_has_a_bit_in_each_mask(void **state)
{
	uint64_t all = 0;

	(void)state;
	for (uint32_t distance = 1; distance <= EBPH_DISTANCES; distance++) {
		uint64_t bits = ebph_word_bits(distance);

		assert_int_equal(all & bits, 0);
		assert_int_equal(ebph_word_normal(bits), 1u << (distance - 1));
		assert_int_equal(ebph_word_training(bits), 1u << (distance - 1));
		all |= bits;
	}
	assert_true(all == (EBPH_WORD_NORMAL_BITS | EBPH_WORD_TRAINING_BITS));
}

static void masks_of_a_pair_do_not_touch_each_other(void **state)
{
	struct set *set = set_new(1);

	(void)state;
	assert_int_equal(set_find(set, 5, 3), 0);
	assert_int_equal(set_add(set, 5, 3, ebph_word_bits(2) & EBPH_WORD_TRAINING_BITS),
			 EBPH_PAIR_NEW);
	assert_int_equal(ebph_word_training(set_find(set, 5, 3)), 2);
	assert_int_equal(ebph_word_normal(set_find(set, 5, 3)), 0);
	assert_int_equal(set_add(set, 5, 3, ebph_word_bits(8) & EBPH_WORD_NORMAL_BITS),
			 EBPH_PAIR_EXTENDED);
	assert_int_equal(ebph_word_training(set_find(set, 5, 3)), 2);
	assert_int_equal(ebph_word_normal(set_find(set, 5, 3)), 0x80);
	/* Half known is not known. */
	assert_int_equal(set_add(set, 5, 3, ebph_word_bits(2)), EBPH_PAIR_EXTENDED);
	assert_int_equal(set_add(set, 5, 3, ebph_word_bits(2)), EBPH_PAIR_KNOWN);
	assert_int_equal(set_find(set, 5, 3) & 0xffff, 0x0282);
	/* A pair has a direction. */
	assert_int_equal(set_find(set, 3, 5), 0);
	free(set);
}

static void set_agrees_with_the_model(void **state)
{
	uint64_t random = random_start();

	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		struct set *set = set_new(1u << random_below(&random, 6));
		struct model *model = model_new();
		struct pool pool;
		unsigned int full = 0;

		pool_fill(&pool, &random, 7 + random_below(&random, 57));
		for (unsigned int i = 0; i < 4000; i++) {
			uint32_t current = pool_id(&pool, &random);
			uint32_t earlier = pool_id(&pool, &random);
			uint64_t bits = random_bits(&random);
			int result = set_add(set, current, earlier, bits);

			if (result == EBPH_PAIR_FULL) {
				/* Only of a pair that has no word. */
				assert_int_equal(model->masks[current][earlier], 0);
				assert_int_equal(set_find(set, current, earlier), 0);
				full++;
				continue;
			}
			assert_int_equal(result, model_add(model, current, earlier, bits));
			current = pool_id(&pool, &random);
			earlier = pool_id(&pool, &random);
			assert_int_equal(set_find(set, current, earlier) & 0xffff,
					 model->masks[current][earlier]);
		}
		assert_same(set, model);
		/* Of a set with room for all pairs of the pool many times over, none is full. */
		if (set->blocks * EBPH_BLOCK_WORDS >= 4 * pool.n * pool.n)
			assert_int_equal(full, 0);
		free(model);
		free(set);
	}
}

/* Every place where a search for the pair would look. */
static void assert_no_place_left(const struct set *set, uint64_t key)
{
	for (uint32_t n = 0; n < EBPH_CHOICES; n++) {
		uint32_t block = ebph_pair_block(key, set->blocks, n);

		assert_in_range(block, 0, set->blocks - 1);
		for (uint32_t i = 0; i < EBPH_PROBES; i++) {
			uint64_t first = ebph_pair_place(key, i);

			assert_in_range(first, 0, EBPH_BLOCK_WORDS - EBPH_LINE_WORDS);
			for (uint32_t j = 0; j < EBPH_LINE_WORDS; j++)
				assert_true(set->block[block].word[first + j] != 0);
		}
	}
}

/* Fills a set with pairs of @ids calls until one finds no place. Return: words in it. */
static uint32_t set_fill(struct set *set, struct model *model, uint64_t *random, uint32_t ids)
{
	uint32_t current, earlier;

	for (;;) {
		current = random_below(random, ids);
		earlier = random_below(random, ids);
		if (set_add(set, current, earlier, ebph_word_bits(1)) == EBPH_PAIR_FULL)
			break;
		model_add(model, current, earlier, ebph_word_bits(1));
	}
	assert_no_place_left(set, ebph_word_key(current, earlier));
	return model->words;
}

static void pair_is_refused_only_when_its_places_are_full(void **state)
{
	uint64_t random = random_start();
	uint32_t words_sum[2] = {};

	(void)state;
	for (unsigned int round = 0; round < 100; round++) {
		const uint32_t blocks = round % 2 ? 4 : EBPH_SET_BLOCKS_MIN;
		struct set *set = set_new(blocks), *before = set_new(blocks);
		struct model *model = model_new();

		words_sum[round % 2] += set_fill(set, model, &random, 340);
		memcpy(before->block, set->block, blocks * sizeof(struct ebph_block));
		for (uint32_t i = 0; i < IDS; i++) {
			uint64_t key = ebph_word_key(i, 1000);

			if (set_add(before, i, 1000, ebph_word_bits(1)) == EBPH_PAIR_FULL)
				assert_no_place_left(before, key);
		}
		/* Who has a word still gains distances. */
		for (uint32_t i = 0; i < 340 * 340; i++) {
			if (!model->masks[i / 340][i % 340])
				continue;
			assert_int_equal(set_add(set, i / 340, i % 340, ebph_word_bits(7)),
					 EBPH_PAIR_EXTENDED);
			model_add(model, i / 340, i % 340, ebph_word_bits(7));
		}
		assert_same(set, model);
		free(model);
		free(before);
		free(set);
	}
	/* A larger set is asked for at 3/4: most sets are not full before. */
	print_message("# full after %u words of %u, %u of %u, on average\n", words_sum[0] / 50,
		      EBPH_BLOCK_WORDS, words_sum[1] / 50, 4 * EBPH_BLOCK_WORDS);
	assert_in_range(words_sum[0] / 50, EBPH_BLOCK_WORDS * 3 / 4, EBPH_BLOCK_WORDS);
	assert_in_range(words_sum[1] / 50, EBPH_BLOCK_WORDS * 3, EBPH_BLOCK_WORDS * 4);
}

/* One call that comes after all others does not fill the set when its block is full. */
static void pairs_of_one_call_have_room_in_a_large_set(void **state)
{
	struct set *set = set_new(EBPH_SET_BLOCKS_MAX);

	(void)state;
	for (uint32_t earlier = 0; earlier < IDS; earlier++)
		assert_int_equal(set_add(set, 202, earlier, ebph_word_bits(1)), EBPH_PAIR_NEW);
	free(set);
}

/* The distances at which a pair belongs to the profile; before the first call nothing is amiss. */
static uint32_t pair_normal(struct set *set, uint32_t current, uint32_t earlier)
{
	return earlier == EBPH_CALL_NONE ? 0xff : ebph_word_normal(set_find(set, current, earlier));
}

/* What is said to be known is; and what is not said is rare in a set that is not full. */
static void known_pairs_are_found_at_once(void **state)
{
	uint64_t random = random_start();
	uint32_t present = 0, said = 0;

	(void)state;
	for (unsigned int round = 0; round < 40; round++) {
		struct set *set = set_new(1);
		struct ebph_window window;
		struct pool pool;

		pool_fill(&pool, &random, 10);
		ebph_window_clear(&window);
		for (unsigned int i = 0; i < 2000; i++)
			set_add(set, pool_id(&pool, &random), pool_id(&pool, &random),
				random_bits(&random));
		for (unsigned int i = 0; i < 2000; i++) {
			uint32_t current = pool_id(&pool, &random), truth = 0;
			int known;

			ebph_window_shift(&window, current);
			for (uint32_t d = 1; d <= EBPH_DISTANCES; d++)
				truth |= pair_normal(set, current, ebph_window_at(&window, d)) &
					 (1u << (d - 1));
			known = ebph_pairs_known(&set->block[ebph_pair_home(current, 1)], &window);
			assert_true(!known || truth == 0xff);
			present += truth == 0xff;
			said += known != 0;
		}
		free(set);
	}
	print_message("# %u of %u whole windows known at once\n", said, present);
	assert_true(present > 1000 && said >= present - present / 10);
}

/* ---- many at a time -------------------------------------------------------------------- */

#define THREADS 4
#define ADDS	3000

struct adder {
	pthread_t thread;
	pthread_barrier_t *start;
	struct set *set;
	struct {
		uint32_t current, earlier;
		uint64_t bits;
		int result;
	} add[ADDS];
};

static void *adder_run(void *argument)
{
	struct adder *adder = argument;

	pthread_barrier_wait(adder->start);
	for (size_t i = 0; i < ADDS; i++)
		adder->add[i].result = set_add(adder->set, adder->add[i].current,
					       adder->add[i].earlier, adder->add[i].bits);
	return NULL;
}

/* All add at once; the union, exactly, must be there, and each word new to one of them only. */
static void add_at_once(struct adder *adders, struct set *set)
{
	struct model *model = model_new();
	pthread_barrier_t start;
	uint32_t new = 0;

	pthread_barrier_init(&start, NULL, THREADS);
	for (size_t t = 0; t < THREADS; t++) {
		adders[t].start = &start;
		adders[t].set = set;
		assert_int_equal(pthread_create(&adders[t].thread, NULL, adder_run, &adders[t]), 0);
	}
	for (size_t t = 0; t < THREADS; t++)
		pthread_join(adders[t].thread, NULL);
	pthread_barrier_destroy(&start);
	for (size_t t = 0; t < THREADS; t++) {
		for (size_t i = 0; i < ADDS; i++) {
			if (adders[t].add[i].result == EBPH_PAIR_FULL)
				continue;
			new += adders[t].add[i].result == EBPH_PAIR_NEW;
			model_add(model, adders[t].add[i].current, adders[t].add[i].earlier,
				  adders[t].add[i].bits);
		}
	}
	assert_same(set, model);
	assert_int_equal(new, model->words);
	/* A place once taken stays so: who is refused once is refused for ever, and by all. */
	for (size_t t = 0; t < THREADS; t++)
		for (size_t i = 0; i < ADDS; i++)
			if (adders[t].add[i].result == EBPH_PAIR_FULL)
				assert_int_equal(set_find(set, adders[t].add[i].current,
							  adders[t].add[i].earlier),
						 0);
	free(model);
}

static void no_update_of_concurrent_threads_is_lost(void **state)
{
	uint64_t random = random_start();
	struct adder *adders = calloc(THREADS, sizeof(*adders));

	(void)state;
	assert_non_null(adders);
	for (unsigned int round = 0; round < 60; round++) {
		/* Large enough, and too small. */
		struct set *set = set_new(round % 3 ? 16 : 1);
		struct pool pool;

		pool_fill(&pool, &random, 40);
		for (size_t i = 0; i < ADDS; i++) {
			uint32_t current = pool_id(&pool, &random);
			uint32_t earlier = pool_id(&pool, &random);

			for (size_t t = 0; t < THREADS; t++) {
				/* Every other round all come to the same pair at about one time. */
				if (round % 2) {
					current = pool_id(&pool, &random);
					earlier = pool_id(&pool, &random);
				}
				adders[t].add[i].current = current;
				adders[t].add[i].earlier = earlier;
				adders[t].add[i].bits = random_bits(&random);
			}
		}
		add_at_once(adders, set);
		free(set);
	}
	free(adders);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(word_holds_a_pair_and_two_masks),
		cmocka_unit_test(each_distance_has_a_bit_in_each_mask),
		cmocka_unit_test(masks_of_a_pair_do_not_touch_each_other),
		cmocka_unit_test(set_agrees_with_the_model),
		cmocka_unit_test(pair_is_refused_only_when_its_places_are_full),
		cmocka_unit_test(pairs_of_one_call_have_room_in_a_large_set),
		cmocka_unit_test(known_pairs_are_found_at_once),
		cmocka_unit_test(no_update_of_concurrent_threads_is_lost),
	};

	return cmocka_run_group_tests_name("pairset", tests, NULL, NULL);
}
