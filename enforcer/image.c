// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/image.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "bpf/callid.h"
#include "enforcer/util.h"

#define IMAGE_MAGIC   "EBPHPROF"
#define IMAGE_VERSION 1

/* The first 160 bytes of the file; enforcer/image.h says what they mean. */
struct header {
	char magic[8];
	__u32 version;
	__u32 crc;
	__u16 arch;
	__u16 callid_version;
	__u32 header_bytes;
	__u64 bytes;
	__u64 machine;
	struct ebph_exe exe;
	__u32 state;
	__u32 zero;
	__u64 calls;
	__u64 last_mod_calls;
	__s64 normal_due_ns;
	__u64 normal_calls;
	__u64 anomalies;
	__u64 stop_ns;
	__u32 stops;
	__u32 aborts;
	__u32 normal_anomalies;
	__u32 runs;
	__s64 last_run_ns;
	__u32 path_bytes;
	__u32 words;
	__u64 zero_too;
};
EBPH_ASSERT_SIZE(struct header, IMAGE_HEADER_BYTES);

#define ASSERT_OFFSET(field, bytes)                                                                \
	_Static_assert(offsetof(struct header, field) == (bytes), #field " is elsewhere")
ASSERT_OFFSET(version, 8);
ASSERT_OFFSET(crc, 12);
ASSERT_OFFSET(arch, 16);
ASSERT_OFFSET(callid_version, 18);
ASSERT_OFFSET(header_bytes, 20);
ASSERT_OFFSET(bytes, 24);
ASSERT_OFFSET(machine, 32);
ASSERT_OFFSET(exe.ino, 40);
ASSERT_OFFSET(exe.mtime_ns, 48);
ASSERT_OFFSET(exe.dev, 56);
ASSERT_OFFSET(exe.generation, 60);
ASSERT_OFFSET(state, 64);
ASSERT_OFFSET(zero, 68);
ASSERT_OFFSET(calls, 72);
ASSERT_OFFSET(last_mod_calls, 80);
ASSERT_OFFSET(normal_due_ns, 88);
ASSERT_OFFSET(normal_calls, 96);
ASSERT_OFFSET(anomalies, 104);
ASSERT_OFFSET(stop_ns, 112);
ASSERT_OFFSET(stops, 120);
ASSERT_OFFSET(aborts, 124);
ASSERT_OFFSET(normal_anomalies, 128);
ASSERT_OFFSET(runs, 132);
ASSERT_OFFSET(last_run_ns, 136);
ASSERT_OFFSET(path_bytes, 144);
ASSERT_OFFSET(words, 148);
ASSERT_OFFSET(zero_too, 152);
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little-endian");

#define WORD_MASKS (EBPH_WORD_NORMAL_BITS | EBPH_WORD_TRAINING_BITS)

void image_clear(struct image *image)
{
	free(image->path);
	free(image->words);
	memset(image, 0, sizeof(*image));
}

uint64_t image_machine(void)
{
	AUTO_CLOSE int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a: half of the id's bits are lost in it */
	char id[32 + 1] = "";

	/* While a machine boots for the first time the file may say "uninitialized". */
	if (fd < 0 || read(fd, id, 32) != 32 || strspn(id, "0123456789abcdef") != 32)
		return 0;
	for (size_t i = 0; i < 32; i++)
		hash = (hash ^ (unsigned char)id[i]) * 0x100000001b3;
	return hash;
}

/* ---- words ----------------------------------------------------------------------------- */

static int words_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* The key is in the upper bits: in the order of words, those with the same key are together. */
void image_words_set(struct image *image, uint64_t *words, size_t n_words)
{
	size_t n = 0, united = 0;

	for (size_t i = 0; i < n_words; i++) {
		uint64_t word = words[i] & (EBPH_WORD_KEY_MASK | WORD_MASKS);

		if (!(word & EBPH_WORD_USED) || !(word & WORD_MASKS))
			continue;
		/* What belongs to the profile was seen, whatever else is said. */
		words[n++] = word | (word & EBPH_WORD_NORMAL_BITS) << 8;
	}
	if (n)
		qsort(words, n, sizeof(*words), words_compare);
	for (size_t i = 0; i < n; i++) {
		if (united && (words[united - 1] & ~WORD_MASKS) == (words[i] & ~WORD_MASKS))
			words[united - 1] |= words[i];
		else
			words[united++] = words[i];
	}
	if (words != image->words)
		free(image->words);
	image->words = words;
	image->n_words = united;
}

/* What is wrong with the words, in one clause; NULL: nothing. */
static const char *words_check(const uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t word = words[i];

		if (!(word & EBPH_WORD_USED) || (word & ~(EBPH_WORD_KEY_MASK | WORD_MASKS)))
			return "a pair has bits that no pair has";
		if (!(word & WORD_MASKS))
			return "a pair was never seen";
		if (ebph_word_normal(word) & ~ebph_word_training(word))
			return "a pair belongs to the profile and was never seen";
		if (i && (word & EBPH_WORD_KEY_MASK) <= (words[i - 1] & EBPH_WORD_KEY_MASK))
			return "its pairs are not in ascending order";
	}
	return NULL;
}

/* ---- bytes ----------------------------------------------------------------------------- */

/* Of the path with its padding. The callers have bounded it. */
static size_t padded(size_t path_bytes)
{
	return (path_bytes + 7) & ~(size_t)7;
}

/* The CRC of a file, whatever stands in the place for it. */
static uint32_t file_crc(const void *data, size_t bytes)
{
	static const Bytef zero[4];
	const Bytef *at = data;
	const size_t place = offsetof(struct header, crc), after = place + sizeof(zero);
	uLong crc = crc32_z(0, at, place);

	crc = crc32_z(crc, zero, sizeof(zero));
	return (uint32_t)crc32_z(crc, at + after, bytes - after);
}

static bool state_is_valid(uint32_t state)
{
	return state == EBPH_STATE_TRAINING || state == EBPH_STATE_FROZEN ||
	       state == EBPH_STATE_NORMAL;
}

static void header_fill(struct header *header, const struct image *image, size_t path_bytes,
			size_t bytes)
{
	*header = (struct header){
		.version = IMAGE_VERSION,
		.arch = EM_X86_64,
		.callid_version = EBPH_CALLID_VERSION,
		.header_bytes = sizeof(*header),
		.bytes = bytes,
		.machine = image->machine,
		.exe = image->exe,
		.state = image->state,
		.calls = image->calls,
		.last_mod_calls = image->last_mod_calls,
		.normal_due_ns = image->state == EBPH_STATE_FROZEN ? image->normal_due_ns : 0,
		.normal_calls = image->normal_calls,
		.anomalies = image->anomalies,
		.stop_ns = image->stop_ns,
		.stops = image->stops,
		.aborts = image->aborts,
		.normal_anomalies = image->normal_anomalies,
		.runs = image->runs,
		.last_run_ns = image->last_run_ns,
		.path_bytes = (uint32_t)path_bytes,
		.words = (uint32_t)image->n_words,
	};
	memcpy(header->magic, IMAGE_MAGIC, sizeof(header->magic));
}

int image_encode(const struct image *image, void **ret_data, size_t *ret_bytes)
{
	size_t path_bytes = image->path ? strlen(image->path) : 0, bytes;
	struct header header;
	char *data;

	if (path_bytes > IMAGE_PATH_MAX || image->n_words > IMAGE_WORDS_MAX)
		return -E2BIG;
	if (!state_is_valid(image->state) || (path_bytes && image->path[0] != '/') ||
	    words_check(image->words, image->n_words))
		return -EINVAL;
	bytes = sizeof(header) + padded(path_bytes) + image->n_words * sizeof(*image->words);
	data = calloc(1, bytes);
	if (!data)
		return -ENOMEM;
	header_fill(&header, image, path_bytes, bytes);
	memcpy(data, &header, sizeof(header));
	if (path_bytes)
		memcpy(data + sizeof(header), image->path, path_bytes);
	if (image->n_words)
		memcpy(data + sizeof(header) + padded(path_bytes), image->words,
		       image->n_words * sizeof(*image->words));
	header.crc = file_crc(data, bytes);
	memcpy(data + offsetof(struct header, crc), &header.crc, sizeof(header.crc));
	*ret_data = data;
	*ret_bytes = bytes;
	return 0;
}

/*
 * What every version will have, so that a damaged file is not taken for another version's: magic
 * and CRC at these places. All else in @ret_header may be missing, and is 0 then.
 */
static int whole_check(const void *data, size_t bytes, struct header *ret_header,
		       const char **ret_reason)
{
	if (bytes < IMAGE_HEAD_BYTES) {
		*ret_reason = "it is shorter than any profile";
		return -EBADMSG;
	}
	if (bytes > IMAGE_BYTES_MAX) {
		*ret_reason = "it is larger than any profile";
		return -EBADMSG;
	}
	memset(ret_header, 0, sizeof(*ret_header));
	memcpy(ret_header, data, bytes < sizeof(*ret_header) ? bytes : sizeof(*ret_header));
	if (memcmp(ret_header->magic, IMAGE_MAGIC, sizeof(ret_header->magic)) != 0) {
		*ret_reason = "it is no profile";
		return -EBADMSG;
	}
	if (ret_header->crc != file_crc(data, bytes)) {
		*ret_reason = "its checksum is wrong";
		return -EBADMSG;
	}
	return 0;
}

/* Is it ours to read? One clause if not; NULL: it is. */
static const char *version_check(const struct header *header)
{
	if (header->version != IMAGE_VERSION)
		return "it has the format of another version of ebph";
	if (header->arch != EM_X86_64)
		return "it is from another architecture";
	if (header->callid_version != EBPH_CALLID_VERSION)
		return "its call ids are another version's";
	return NULL;
}

bool image_is_other(const void *head, size_t bytes, uint32_t *ret_crc)
{
	struct header header = {0};

	if (bytes < IMAGE_HEAD_BYTES)
		return false;
	memcpy(&header, head, IMAGE_HEAD_BYTES);
	if (memcmp(header.magic, IMAGE_MAGIC, sizeof(header.magic)) != 0 || !version_check(&header))
		return false;
	*ret_crc = header.crc;
	return true;
}

/* Are the lengths such that nothing is missing and nothing left over? */
static const char *header_check(const struct header *header, size_t bytes)
{
	if (header->header_bytes != sizeof(*header) || header->bytes != bytes ||
	    header->path_bytes > IMAGE_PATH_MAX || header->words > IMAGE_WORDS_MAX ||
	    bytes != sizeof(*header) + padded(header->path_bytes) + 8 * (size_t)header->words)
		return "its lengths do not match";
	if (!state_is_valid(header->state))
		return "its state is none that a profile can have";
	if (header->state != EBPH_STATE_FROZEN && header->normal_due_ns)
		return "it waits for becoming normal and is not frozen";
	if (header->zero || header->zero_too)
		return "a field that is not in use is not 0";
	return NULL;
}

static const char *path_check(const char *path, size_t path_bytes)
{
	if (!path_bytes)
		return NULL;
	if (path[0] != '/' || memchr(path, 0, path_bytes))
		return "its path is none";
	for (size_t i = path_bytes; i < padded(path_bytes); i++)
		if (path[i])
			return "there is something between its path and its pairs";
	return NULL;
}

static void image_fill(struct image *image, const struct header *header)
{
	*image = (struct image){
		.exe = header->exe,
		.machine = header->machine,
		.state = header->state,
		.runs = header->runs,
		.calls = header->calls,
		.last_mod_calls = header->last_mod_calls,
		.normal_due_ns = header->normal_due_ns,
		.normal_calls = header->normal_calls,
		.anomalies = header->anomalies,
		.stop_ns = header->stop_ns,
		.stops = header->stops,
		.aborts = header->aborts,
		.normal_anomalies = header->normal_anomalies,
		.last_run_ns = header->last_run_ns,
		.n_words = header->words,
	};
}

/* What follows the header; image->path and ->words come to stand on their own. */
static int payload_read(struct image *image, const char *path, const struct header *header,
			const char **ret_reason)
{
	const char *words = path + padded(header->path_bytes), *wrong;

	*ret_reason = "there is no memory for it";
	if (header->path_bytes) {
		image->path = strndup(path, header->path_bytes);
		if (!image->path)
			return -ENOMEM;
	}
	if (header->words) {
		image->words = malloc(header->words * sizeof(*image->words));
		if (!image->words)
			return -ENOMEM;
		memcpy(image->words, words, header->words * sizeof(*image->words));
	}
	wrong = words_check(image->words, image->n_words);
	if (!wrong)
		return 0;
	*ret_reason = wrong;
	return -EBADMSG;
}

int image_decode(const void *data, size_t bytes, struct image *ret, const char **ret_reason)
{
	IMAGE_CLEANUP struct image image = {0};
	struct header header;
	const char *path, *wrong;
	int err = whole_check(data, bytes, &header, ret_reason);

	if (err)
		return err;
	wrong = version_check(&header);
	if (wrong) {
		*ret_reason = wrong;
		return -EPROTONOSUPPORT;
	}
	path = (const char *)data + sizeof(header);
	wrong = header_check(&header, bytes);
	if (!wrong)
		wrong = path_check(path, header.path_bytes);
	if (wrong) {
		*ret_reason = wrong;
		return -EBADMSG;
	}
	image_fill(&image, &header);
	err = payload_read(&image, path, &header, ret_reason);
	if (err)
		return err;
	*ret = image;
	memset(&image, 0, sizeof(image)); /* it is the caller's now */
	return 0;
}

/* ---- two in one ------------------------------------------------------------------------ */

/* Counters stay at their end: what is not ours may say anything. */
static void add64(uint64_t *into, uint64_t from)
{
	if (__builtin_add_overflow(*into, from, into))
		*into = UINT64_MAX;
}

static void add32(uint32_t *into, uint32_t from)
{
	if (__builtin_add_overflow(*into, from, into))
		*into = UINT32_MAX;
}

int image_merge(struct image *into, const struct image *from)
{
	uint64_t *words = calloc(into->n_words + from->n_words + 1, sizeof(*words));
	size_t n = 0;

	if (!words)
		return -ENOMEM;
	for (size_t i = 0; i < into->n_words; i++)
		words[n++] = into->words[i];
	for (size_t i = 0; i < from->n_words; i++)
		words[n++] = from->words[i];
	image_words_set(into, words, n);

	if (from->state < into->state)
		into->state = from->state;
	if (from->normal_due_ns > into->normal_due_ns)
		into->normal_due_ns = from->normal_due_ns;
	if (into->state != EBPH_STATE_FROZEN)
		into->normal_due_ns = 0;
	if (from->last_run_ns > into->last_run_ns)
		into->last_run_ns = from->last_run_ns;
	add32(&into->runs, from->runs);
	add64(&into->calls, from->calls);
	add64(&into->last_mod_calls, from->last_mod_calls);
	add64(&into->normal_calls, from->normal_calls);
	add64(&into->anomalies, from->anomalies);
	add64(&into->stop_ns, from->stop_ns);
	add32(&into->stops, from->stops);
	add32(&into->aborts, from->aborts);
	add32(&into->normal_anomalies, from->normal_anomalies);
	if (into->state != EBPH_STATE_NORMAL)
		into->normal_anomalies = 0;
	return 0;
}

int image_inherit(struct image *into, const struct image *old)
{
	uint64_t *words = calloc(old->n_words + 1, sizeof(*words));
	struct image next = {
		.exe = into->exe,
		.machine = into->machine,
		.state = EBPH_STATE_TRAINING,
	};

	if (!words)
		return -ENOMEM;
	/* Without the training mask, which comes back as what the profile has. */
	for (size_t i = 0; i < old->n_words; i++)
		words[i] = old->words[i] & ~EBPH_WORD_TRAINING_BITS;
	image_words_set(&next, words, old->n_words);
	next.path = TAKE_PTR(into->path);
	image_clear(into);
	*into = next;
	return 0;
}
