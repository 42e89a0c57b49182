/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images for the tests of image.c and store.c. */
#ifndef EBPH_TESTS_IMAGE_SAMPLE_H
#define EBPH_TESTS_IMAGE_SAMPLE_H

/* After cmocka.h and random.h. */
#include <string.h>

#include "enforcer/image.h"
#include "enforcer/util.h"

/* Like IMAGE_CLEANUP, for bytes that were encoded. */
struct bytes {
	void *data;
	size_t n;
};

static inline void bytes_clear(struct bytes *bytes)
{
	free(bytes->data);
}
#define BYTES_CLEANUP __attribute__((cleanup(bytes_clear)))

static inline struct bytes encoded(const struct image *image)
{
	struct bytes ret = {0};

	assert_int_equal(image_encode(image, &ret.data, &ret.n), 0);
	return ret;
}

/* Any @n words, as pair sets have them, in no order. */
static inline uint64_t *sample_words(uint64_t *random, size_t n)
{
	uint64_t *words = calloc(n + 1, sizeof(*words));

	assert_non_null(words);
	for (size_t i = 0; i < n; i++) {
		uint32_t training = 1 + random_below(random, 255);

		words[i] = ebph_word_key(random_below(random, 2048), random_below(random, 2048)) |
			   (random_below(random, 256) & training) | training << 8;
	}
	return words;
}

/* The image of program @number in its @version: two of them differ wherever they can. */
static inline struct image sample(uint32_t number, uint32_t version, size_t n_words)
{
	uint64_t random = (uint64_t)number << 32 | version;
	struct image image = {
		.exe = {.ino = number, .mtime_ns = -1000 - (int64_t)number, .dev = 8 << 20 | 1},
		.machine = 0x123456789abcdef0,
		.state = EBPH_STATE_TRAINING + version % 3,
		.runs = version,
		.calls = random_next(&random),
		.last_mod_calls = random_next(&random),
		.normal_calls = random_next(&random),
		.anomalies = random_next(&random),
		.stop_ns = random_next(&random),
		.stops = random_below(&random, UINT32_MAX),
		.aborts = random_below(&random, UINT32_MAX),
		.normal_anomalies = random_below(&random, UINT32_MAX),
		.last_run_ns = (int64_t)(random_next(&random) >> 1),
	};

	if (image.state == EBPH_STATE_FROZEN)
		image.normal_due_ns = (int64_t)(random_next(&random) >> 1);
	assert_true(asprintf(&image.path, "/usr/bin/program%u", number) > 0);
	image_words_set(&image, sample_words(&random, n_words), n_words);
	return image;
}

static inline void assert_same_image(const struct image *a, const struct image *b)
{
	BYTES_CLEANUP struct bytes left = encoded(a), right = encoded(b);

	assert_int_equal(left.n, right.n);
	assert_memory_equal(left.data, right.data, left.n);
}

#endif
