/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles as files: what was written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "random.h"
#include "image_sample.h"

/* Offsets of enforcer/image.h. */
#define AT_VERSION 8
#define AT_CRC	   12
#define AT_ARCH	   16
#define AT_CALLID  18
#define AT_HEADER  20
#define AT_BYTES   24
#define AT_STATE   64
#define AT_ZERO	   68
#define AT_DUE	   88
#define AT_PATH_N  144
#define AT_WORDS_N 148
#define AT_ZERO_2  152
#define AT_PATH	   160

/* ---- bytes by hand --------------------------------------------------------------------- */

static void crc_put_right(struct bytes *bytes)
{
	char *data = bytes->data;
	uint32_t crc;

	memset(data + AT_CRC, 0, 4);
	crc = (uint32_t)crc32(0, (const Bytef *)data, (uInt)bytes->n);
	memcpy(data + AT_CRC, &crc, 4);
}

static void put(struct bytes *bytes, size_t at, uint64_t value, size_t n)
{
	assert_true(at + n <= bytes->n);
	memcpy((char *)bytes->data + at, &value, n);
	crc_put_right(bytes);
}

/* The place of word @i. */
static size_t at_word(const struct bytes *bytes, const struct image *image, size_t i)
{
	return bytes->n - 8 * (image->n_words - i);
}

static void assert_refused(const void *data, size_t n, int error, const char *part)
{
	struct image untouched = {.machine = 42}, image = untouched;
	const char *reason = NULL;
	/* On its own, so that ASan sees who reads beyond its end. */
	void *copy = malloc(n + !n);

	assert_non_null(copy);
	memcpy(copy, data, n);
	assert_int_equal(image_decode(copy, n, &image, &reason), error);
	assert_memory_equal(&image, &untouched, sizeof(image));
	assert_non_null(reason);
	if (part && !strstr(reason, part))
		fail_msg("\"%s\" says nothing of \"%s\"", reason, part);
	free(copy);
}

/* A sample in which one field has another value is refused for the reason that has @part. */
static void assert_field_refused(size_t at, uint64_t value, size_t n, int error, const char *part)
{
	IMAGE_CLEANUP struct image image = sample(1, 0, 5);
	BYTES_CLEANUP struct bytes bytes = encoded(&image);

	put(&bytes, at, value, n);
	assert_refused(bytes.data, bytes.n, error, part);
}

static struct image decoded(const struct bytes *bytes)
{
	struct image image = {0};
	const char *reason = "";

	if (image_decode(bytes->data, bytes->n, &image, &reason))
		fail_msg("refused: %s", reason);
	return image;
}

static struct image with_words(const uint64_t *words, size_t n)
{
	struct image image = sample(1, 0, 0);
	uint64_t *copy = calloc(n + 1, sizeof(*copy));

	assert_non_null(copy);
	memcpy(copy, words, n * sizeof(*copy));
	image_words_set(&image, copy, n);
	return image;
}

#define WORD(current, earlier, normal, training)                                                   \
	(ebph_word_key(current, earlier) | (training) << 8 | (normal))

/* ---- there and back -------------------------------------------------------------------- */

static void what_was_written_is_read(void **state)
{
	static const size_t n_words[] = {0, 1, 7, 1000, IMAGE_WORDS_MAX};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(n_words); i++) {
		IMAGE_CLEANUP struct image image = sample(i, i, n_words[i]), again = {0};
		BYTES_CLEANUP struct bytes bytes = encoded(&image);

		assert_true(bytes.n <= IMAGE_BYTES_MAX);
		again = decoded(&bytes);
		assert_same_image(&image, &again);
		assert_string_equal(image.path, again.path);
		assert_int_equal(image.n_words, again.n_words);
		assert_memory_equal(&image.exe, &again.exe, sizeof(image.exe));
		assert_true(image.machine == again.machine && image.calls == again.calls);
		assert_true(image.normal_due_ns == again.normal_due_ns);
		assert_true(image.last_run_ns == again.last_run_ns);
		assert_int_equal(image.state, again.state);
		assert_int_equal(image.runs, again.runs);
	}
}

static void path_of_any_length_is_kept(void **state)
{
	char path[IMAGE_PATH_MAX + 2];

	(void)state;
	for (size_t n = 0; n <= IMAGE_PATH_MAX + 1; n = n < 20 ? n + 1 : n + 453) {
		IMAGE_CLEANUP struct image image = sample(1, 1, 3), again = {0};
		struct bytes bytes = {0};

		path[0] = '/';
		memset(path + 1, 'a', IMAGE_PATH_MAX);
		path[n] = '\0';
		free(image.path);
		image.path = n ? strdup(path) : NULL;
		if (n > IMAGE_PATH_MAX) {
			assert_int_equal(image_encode(&image, &bytes.data, &bytes.n), -E2BIG);
			continue;
		}
		bytes = encoded(&image);
		again = decoded(&bytes);
		bytes_clear(&bytes);
		assert_true(n ? !strcmp(again.path, path) : !again.path);
	}
}

static void what_could_not_be_read_is_not_written(void **state)
{
	IMAGE_CLEANUP struct image image = sample(1, 0, 9);
	void *data = NULL;
	size_t bytes, n_words = image.n_words;

	(void)state;
	image.n_words = IMAGE_WORDS_MAX + 1;
	assert_int_equal(image_encode(&image, &data, &bytes), -E2BIG);
	image.n_words = n_words;
	image.state = EBPH_STATE_NONE;
	assert_int_equal(image_encode(&image, &data, &bytes), -EINVAL);
	image.state = EBPH_STATE_NORMAL;
	image.path[0] = 'x';
	assert_int_equal(image_encode(&image, &data, &bytes), -EINVAL);
	image.path[0] = '/';
	image.words[0] = image.words[1];
	assert_int_equal(image_encode(&image, &data, &bytes), -EINVAL);
	assert_null(data);
}

static void words_are_put_in_order(void **state)
{
	const uint64_t word = WORD(1, 2, 0x01, 0x03);
	const uint64_t given[] = {
		WORD(9, 1, 0x00, 0x80),	  WORD(1, 2, 0x00, 0x02),
		WORD(1, 2, 0x01, 0x01),	  WORD(4, 4, 0x00, 0x00), /* never seen */
		word & ~EBPH_WORD_USED,				  /* none at all */
		word | 1ull << 50,				  /* a bit that no word has */
		WORD(2, 2047, 0x10, 0x0), /* not even seen, and it belongs */
	};
	IMAGE_CLEANUP struct image image = with_words(given, ARRAY_SIZE(given));

	(void)state;
	assert_int_equal(image.n_words, 3);
	assert_true(image.words[0] == word);
	assert_true(image.words[1] == WORD(2, 2047, 0x10, 0x10));
	assert_true(image.words[2] == WORD(9, 1, 0x00, 0x80));
}

static void machine_has_a_name_that_stays(void **state)
{
	(void)state;
	assert_true(image_machine() == image_machine());
	if (!access("/etc/machine-id", R_OK))
		print_message("# this machine is %016llx\n", (unsigned long long)image_machine());
}

/* ---- damage ---------------------------------------------------------------------------- */

static void each_flipped_bit_is_noticed(void **state)
{
	IMAGE_CLEANUP struct image image = sample(1, 1, 5);
	BYTES_CLEANUP struct bytes bytes = encoded(&image);
	unsigned char *data = bytes.data;

	(void)state;
	for (size_t i = 0; i < bytes.n * 8; i++) {
		data[i / 8] ^= (unsigned char)(1 << i % 8);
		assert_refused(data, bytes.n, -EBADMSG, NULL);
		data[i / 8] ^= (unsigned char)(1 << i % 8);
	}
}

/* What somebody has written on purpose: it is refused, or it is what it says. */
static void each_flipped_bit_with_the_right_checksum_is_understood_or_refused(void **state)
{
	IMAGE_CLEANUP struct image image = sample(1, 1, 5);
	BYTES_CLEANUP struct bytes bytes = encoded(&image);
	unsigned char *data = bytes.data;
	const char *reason;

	(void)state;
	for (size_t i = 0; i < bytes.n * 8; i++) {
		IMAGE_CLEANUP struct image other = {0};

		data[i / 8] ^= (unsigned char)(1 << i % 8);
		crc_put_right(&bytes);
		if (!image_decode(data, bytes.n, &other, &reason)) {
			BYTES_CLEANUP struct bytes again = encoded(&other);

			assert_int_equal(again.n, bytes.n);
			assert_memory_equal(again.data, data, bytes.n);
		}
		data[i / 8] ^= (unsigned char)(1 << i % 8);
	}
}

static void what_is_cut_off_or_added_is_noticed(void **state)
{
	IMAGE_CLEANUP struct image image = sample(1, 1, 5);
	BYTES_CLEANUP struct bytes bytes = encoded(&image);
	struct bytes more = {.data = calloc(1, IMAGE_BYTES_MAX + 1)};

	(void)state;
	assert_non_null(more.data);
	memcpy(more.data, bytes.data, bytes.n);
	for (size_t n = 0; n < bytes.n; n++)
		assert_refused(bytes.data, n, -EBADMSG, NULL);
	for (more.n = bytes.n + 1; more.n < bytes.n + 20; more.n++) {
		memcpy(more.data, bytes.data, bytes.n);
		assert_refused(more.data, more.n, -EBADMSG, "checksum");
		crc_put_right(&more);
		assert_refused(more.data, more.n, -EBADMSG, "lengths");
	}
	assert_refused(more.data, IMAGE_BYTES_MAX + 1, -EBADMSG, "larger");
	free(more.data);
}

static void each_version_is_named(void **state)
{
	(void)state;
	assert_field_refused(AT_VERSION, 2, 4, -EPROTONOSUPPORT, "format of another version");
	assert_field_refused(AT_VERSION, 0, 4, -EPROTONOSUPPORT, "format of another version");
	assert_field_refused(AT_ARCH, 183, 2, -EPROTONOSUPPORT, "architecture"); /* aarch64 */
	assert_field_refused(AT_CALLID, 2, 2, -EPROTONOSUPPORT, "call ids");
	assert_field_refused(0, 'e', 1, -EBADMSG, "no profile");
}

/* Its file may be laid out as it likes after the first bytes, and be shorter than ours. */
static void another_version_is_told_by_its_first_bytes(void **state)
{
	IMAGE_CLEANUP struct image image = sample(1, 1, 5);
	BYTES_CLEANUP struct bytes bytes = encoded(&image);
	uint32_t crc = 42, own;

	(void)state;
	assert_false(image_is_other(bytes.data, bytes.n, &crc));
	assert_int_equal(crc, 42);
	bytes.n = IMAGE_HEAD_BYTES + 3;
	put(&bytes, AT_VERSION, 2, 4);
	assert_refused(bytes.data, bytes.n, -EPROTONOSUPPORT, "format of another version");
	memcpy(&own, (char *)bytes.data + AT_CRC, sizeof(own));
	assert_true(image_is_other(bytes.data, IMAGE_HEAD_BYTES, &crc));
	assert_int_equal(crc, own);
	assert_false(image_is_other(bytes.data, IMAGE_HEAD_BYTES - 1, &crc));
	put(&bytes, 0, 'e', 1);
	assert_false(image_is_other(bytes.data, bytes.n, &crc));
}

static void fields_are_checked(void **state)
{
	(void)state;
	assert_field_refused(AT_HEADER, 168, 4, -EBADMSG, "lengths");
	assert_field_refused(AT_BYTES, 208, 8, -EBADMSG, "lengths");
	assert_field_refused(AT_WORDS_N, 4, 4, -EBADMSG, "lengths");
	assert_field_refused(AT_WORDS_N, 0x20000005, 4, -EBADMSG, "lengths"); /* 8 of them: 2^32 */
	assert_field_refused(AT_WORDS_N, UINT32_MAX, 4, -EBADMSG, "lengths");
	assert_field_refused(AT_PATH_N, 0xfffffff8, 4, -EBADMSG, "lengths");
	assert_field_refused(AT_PATH_N, 3, 4, -EBADMSG, "lengths");
	assert_field_refused(AT_STATE, EBPH_STATE_NONE, 4, -EBADMSG, "state");
	assert_field_refused(AT_STATE, EBPH_STATE_NORMAL + 1, 4, -EBADMSG, "state");
	assert_field_refused(AT_DUE, 1, 8, -EBADMSG, "not frozen");
	assert_field_refused(AT_ZERO, 1, 4, -EBADMSG, "not 0");
	assert_field_refused(AT_ZERO_2, 1ull << 63, 8, -EBADMSG, "not 0");
	assert_field_refused(AT_PATH, 'u', 1, -EBADMSG, "path");
	assert_field_refused(AT_PATH + 4, 0, 1, -EBADMSG, "path");
	/* "/usr/bin/program1" and 7 bytes of nothing */
	assert_field_refused(AT_PATH + 17, 1, 1, -EBADMSG, "between");
	assert_field_refused(AT_PATH + 23, 1, 1, -EBADMSG, "between");
	assert_field_refused(AT_PATH_N, 18, 4, -EBADMSG, "path");
}

static void words_are_checked(void **state)
{
	const uint64_t good = WORD(5, 6, 0x01, 0x03);
	const struct {
		uint64_t word;
		const char *part;
	} cases[] = {
		{good & ~EBPH_WORD_USED, "bits that no pair has"},
		{good | 1ull << 27, "bits that no pair has"},
		{good | 1ull << 31, "bits that no pair has"},
		{good | 1ull << 43, "bits that no pair has"},
		{good | 1ull << 62, "bits that no pair has"},
		{ebph_word_key(5, 6), "never seen"},
		{WORD(5, 6, 0x04, 0x03), "was never seen"},
		{WORD(1, 1, 0x04, 0xff), "order"}, /* the one before, with other masks */
		{WORD(1, 0, 0x01, 0x01), "order"},
		{0, "bits that no pair has"},
	};
	const uint64_t words[] = {WORD(1, 1, 0x01, 0x01), good, WORD(9, 9, 0x01, 0x01)};
	IMAGE_CLEANUP struct image image = with_words(words, ARRAY_SIZE(words));
	BYTES_CLEANUP struct bytes bytes = encoded(&image);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put(&bytes, at_word(&bytes, &image, 1), cases[i].word, 8);
		assert_refused(bytes.data, bytes.n, -EBADMSG, cases[i].part);
	}
	put(&bytes, at_word(&bytes, &image, 1), good, 8);
	image_clear(&image);
	image = decoded(&bytes);
}

/* ---- two in one ------------------------------------------------------------------------ */

static uint64_t find(const struct image *image, uint64_t word)
{
	for (size_t i = 0; i < image->n_words; i++)
		if ((image->words[i] & EBPH_WORD_KEY_MASK) == (word & EBPH_WORD_KEY_MASK))
			return image->words[i];
	return 0;
}

static void merging_unites(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 9; i++) { /* all pairs of states */
		IMAGE_CLEANUP struct image a = sample(1, i / 3, 1 << i), b = sample(2, i % 3, 200);
		IMAGE_CLEANUP struct image ab = sample(1, i / 3, 1 << i),
					   ba = sample(2, i % 3, 200);
		uint32_t less = a.state < b.state ? a.state : b.state;
		int64_t later =
			a.normal_due_ns > b.normal_due_ns ? a.normal_due_ns : b.normal_due_ns;

		assert_int_equal(image_merge(&ab, &b), 0);
		assert_int_equal(image_merge(&ba, &a), 0);
		assert_int_equal(ab.n_words, ba.n_words);
		assert_memory_equal(ab.words, ba.words, 8 * ab.n_words);
		for (size_t j = 0; j < ab.n_words; j++)
			assert_true(ab.words[j] == (find(&a, ab.words[j]) | find(&b, ab.words[j])));
		for (size_t j = 0; j < a.n_words; j++)
			assert_true(find(&ab, a.words[j]));
		for (size_t j = 0; j < b.n_words; j++)
			assert_true(find(&ab, b.words[j]));
		assert_int_equal(ab.state, less);
		assert_true(ab.normal_due_ns == (less == EBPH_STATE_FROZEN ? later : 0));
		assert_int_equal(ab.runs, a.runs + b.runs);
		assert_string_equal(ab.path, a.path);
		assert_memory_equal(&ab.exe, &a.exe, sizeof(a.exe));
		assert_true(less == EBPH_STATE_NORMAL || !ab.normal_anomalies);
	}
}

static void counters_do_not_run_over(void **state)
{
	IMAGE_CLEANUP struct image a = sample(1, 2, 0), b = sample(2, 2, 0);

	(void)state;
	a.calls = UINT64_MAX - 5;
	b.calls = 6;
	a.stops = b.stops = UINT32_MAX - 5;
	a.aborts = b.aborts = 7;
	a.last_run_ns = 5;
	b.last_run_ns = 6;
	assert_int_equal(image_merge(&a, &b), 0);
	assert_true(a.calls == UINT64_MAX);
	assert_int_equal(a.stops, UINT32_MAX);
	assert_int_equal(a.aborts, 14);
	assert_true(a.last_run_ns == 6);
}

static void heir_gets_what_belongs_to_the_profile(void **state)
{
	const uint64_t words[] = {WORD(1, 1, 0x05, 0x0f), WORD(2, 2, 0x00, 0xff),
				  WORD(3, 3, 0x80, 0x80)};
	IMAGE_CLEANUP struct image old = with_words(words, ARRAY_SIZE(words));
	IMAGE_CLEANUP struct image heir = sample(7, 1, 20), fresh = {0};
	BYTES_CLEANUP struct bytes bytes = {0};

	(void)state;
	assert_int_equal(image_inherit(&heir, &old), 0);
	assert_int_equal(heir.n_words, 2);
	assert_true(heir.words[0] == WORD(1, 1, 0x05, 0x05));
	assert_true(heir.words[1] == WORD(3, 3, 0x80, 0x80));
	assert_string_equal(heir.path, "/usr/bin/program7");
	assert_int_equal(heir.exe.ino, 7);
	/* All else is as of a program that never ran. */
	fresh.exe = heir.exe;
	fresh.machine = heir.machine;
	fresh.state = EBPH_STATE_TRAINING;
	fresh.path = strdup(heir.path);
	image_words_set(&fresh, TAKE_PTR(heir.words), heir.n_words);
	heir.n_words = 0;
	assert_int_equal(image_inherit(&heir, &fresh), 0);
	assert_same_image(&heir, &fresh);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(path_of_any_length_is_kept),
		cmocka_unit_test(what_could_not_be_read_is_not_written),
		cmocka_unit_test(words_are_put_in_order),
		cmocka_unit_test(machine_has_a_name_that_stays),
		cmocka_unit_test(each_flipped_bit_is_noticed),
		cmocka_unit_test(each_flipped_bit_with_the_right_checksum_is_understood_or_refused),
		cmocka_unit_test(what_is_cut_off_or_added_is_noticed),
		cmocka_unit_test(each_version_is_named),
		cmocka_unit_test(another_version_is_told_by_its_first_bytes),
		cmocka_unit_test(fields_are_checked),
		cmocka_unit_test(words_are_checked),
		cmocka_unit_test(merging_unites),
		cmocka_unit_test(counters_do_not_run_over),
		cmocka_unit_test(heir_gets_what_belongs_to_the_profile),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
