/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer target: whatever the bytes of a profile, they are either refused with a reason, or
 * taken, and then written again they are the same. Each input is tried four times: as it is, with
 * its checksum put right, with its lengths, too, and with path and pairs that are such, too, if in
 * any order: hardly any would come so far by itself.
 *
 * clang -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined \
 *	tests/fuzz/image_fuzz.c enforcer/image.c -lz -o build/image-fuzz
 * build/image-fuzz -use_value_profile=1 -max_len=1024 CORPUS_DIRECTORY
 */
#include <string.h>
#include <zlib.h>

#include "enforcer/image.h"
#include "enforcer/util.h"

/* Offsets of enforcer/image.h. */
#define AT_CRC	      12
#define AT_ARCH	      16
#define AT_CALLID     18
#define AT_HEADER     20
#define AT_BYTES      24
#define AT_STATE      64
#define AT_DUE	      88
#define AT_PATH_BYTES 144
#define AT_WORDS      148
#define AT_ZERO	      152

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a check finds wrong stops the fuzzer here, in optimised builds too. */
static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_same(const struct image *image, const uint8_t *data, size_t size)
{
	AUTO_FREE void *again = NULL;
	size_t again_size;

	require(image_encode(image, &again, &again_size) == 0);
	require(again_size == size && !memcmp(again, data, size));
}

/* What is taken from others must be fit for all that is done with profiles. */
static void check_union(struct image *image)
{
	IMAGE_CLEANUP struct image heir = {.state = EBPH_STATE_TRAINING};
	AUTO_FREE void *data = NULL;
	size_t n_words = image->n_words, size;

	require(image_inherit(&heir, image) == 0);
	require(heir.n_words <= n_words);
	require(image_merge(image, &heir) == 0);
	require(image->n_words == n_words);
	require(image_encode(image, &data, &size) == 0);
}

static void check(const uint8_t *data, size_t size)
{
	IMAGE_CLEANUP struct image image = {0};
	const char *reason = NULL;
	int err = image_decode(data, size, &image, &reason);

	if (err) {
		require(err == -EBADMSG || err == -EPROTONOSUPPORT);
		require(reason && *reason);
		require(!image.path && !image.words);
		return;
	}
	check_same(&image, data, size);
	check_union(&image);
}

static void put(uint8_t *data, size_t at, uint64_t value, size_t n)
{
	memcpy(data + at, &value, n);
}

static void put_crc(uint8_t *data, size_t size)
{
	put(data, AT_CRC, 0, 4);
	put(data, AT_CRC, crc32_z(0, data, size), 4);
}

/* All that says what it is and how long; of path and pairs there are as many as there is room. */
static void put_lengths(uint8_t *data, size_t size)
{
	size_t room = size - IMAGE_HEADER_BYTES;
	uint32_t path_bytes;

	memcpy(&path_bytes, data + AT_PATH_BYTES, sizeof(path_bytes));
	path_bytes %= (uint32_t)room + 1;
	put(data, 0, 0x464f525048504245, 8); /* "EBPHPROF" */
	put(data, AT_CRC - 4, 1, 4);
	put(data, AT_ARCH, 62, 2);
	put(data, AT_CALLID, 1, 2);
	put(data, AT_HEADER, IMAGE_HEADER_BYTES, 4);
	put(data, AT_BYTES, size, 8);
	put(data, AT_PATH_BYTES, path_bytes, 4);
	put(data, AT_WORDS, (room - (path_bytes + 7) / 8 * 8) / 8, 4);
}

static void put_path(uint8_t *path, size_t path_bytes)
{
	if (path_bytes)
		path[0] = '/';
	for (size_t i = 1; i < path_bytes; i++)
		path[i] = path[i] ? path[i] : '0';
	for (size_t i = path_bytes; i % 8; i++)
		path[i] = 0;
}

static void put_content(uint8_t *data, size_t size)
{
	uint32_t path_bytes, state;
	uint64_t word;

	memcpy(&path_bytes, data + AT_PATH_BYTES, sizeof(path_bytes));
	put_path(data + IMAGE_HEADER_BYTES, path_bytes);
	for (size_t at = IMAGE_HEADER_BYTES + (path_bytes + 7) / 8 * 8; at < size; at += 8) {
		memcpy(&word, data + at, sizeof(word));
		word &= EBPH_WORD_KEY_MASK | EBPH_WORD_NORMAL_BITS | EBPH_WORD_TRAINING_BITS;
		word |= EBPH_WORD_USED | (word & EBPH_WORD_NORMAL_BITS) << 8;
		put(data, at, word & EBPH_WORD_TRAINING_BITS ? word : word | 1 << 8, 8);
	}
	memcpy(&state, data + AT_STATE, sizeof(state));
	state = EBPH_STATE_TRAINING + state % 3;
	put(data, AT_STATE, state, 8); /* and 0 after it */
	put(data, AT_ZERO, 0, 8);
	if (state != EBPH_STATE_FROZEN)
		put(data, AT_DUE, 0, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE uint8_t *copy = NULL;

	check(data, size);
	if (size < IMAGE_HEADER_BYTES)
		return 0;
	copy = malloc(size);
	require(copy != NULL);
	memcpy(copy, data, size);
	put_crc(copy, size);
	check(copy, size);
	size -= size % 8; /* as all profiles */
	put_lengths(copy, size);
	put_crc(copy, size);
	check(copy, size);
	put_content(copy, size);
	put_crc(copy, size);
	check(copy, size);
	return 0;
}
