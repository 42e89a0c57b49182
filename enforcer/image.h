/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A profile as a value: what a file holds, and what travels between memory, disk and hosts.
 *
 * The file, little-endian like the machines that ebph runs on:
 *
 *   offset size
 *        0    8 magic "EBPHPROF"
 *        8    4 version of this layout, 1
 *       12    4 CRC-32 (zlib's) of the whole file, taken with these four bytes 0;
 *               the same in every version, so that damage is not taken for another one
 *       16    2 architecture, as ELF numbers it: 62 is x86-64
 *       18    2 version of the call ids (EBPH_CALLID_VERSION), 1
 *       20    4 bytes of this header, 160
 *       24    8 bytes of the whole file
 *       32    8 machine that it is from: image_machine()
 *       40   24 executable: inode, mtime in ns, device, generation (struct ebph_exe)
 *       64    4 state (enum ebph_state): training, frozen or normal
 *       68    4 0
 *       72    8 calls trained on
 *       80    8 calls trained on when the last pair was added
 *       88    8 CLOCK_REALTIME in ns when frozen becomes normal; 0 unless frozen
 *       96    8 calls made while normal
 *      104    8 anomalies
 *      112    8 ns of delays
 *      120    4 delays
 *      124    4 aborted execves
 *      128    4 anomalies since it became normal
 *      132    4 runs
 *      136    8 CLOCK_REALTIME in ns of the last run
 *      144    4 bytes of the path, without a 0 at its end; 0: not known
 *      148    4 words
 *      152    8 0
 *      160      path, then 0 up to a multiple of 8
 *               words, 8 bytes each (bpf/pairset.h), in ascending order
 */
#ifndef EBPH_ENFORCER_IMAGE_H
#define EBPH_ENFORCER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "bpf/pairset.h"

/* More than a profile can have in memory is not read. */
#define IMAGE_HEADER_BYTES 160
#define IMAGE_HEAD_BYTES   20 /* of them, what tells of another version */
#define IMAGE_WORDS_MAX	   (EBPH_SET_BLOCKS_MAX * EBPH_BLOCK_WORDS)
#define IMAGE_PATH_MAX	   4096
#define IMAGE_BYTES_MAX	   (IMAGE_HEADER_BYTES + IMAGE_PATH_MAX + 8 * IMAGE_WORDS_MAX)

/* Stands for every machine: such an image is for whatever lies at its path. */
#define IMAGE_MACHINE_ANY UINT64_MAX

struct image {
	struct ebph_exe exe;
	uint64_t machine;
	uint32_t state; /* enum ebph_state */
	uint32_t runs;
	uint64_t calls;
	uint64_t last_mod_calls;
	int64_t normal_due_ns; /* CLOCK_REALTIME; 0 unless frozen */
	uint64_t normal_calls;
	uint64_t anomalies;
	uint64_t stop_ns;
	uint32_t stops;
	uint32_t aborts;
	uint32_t normal_anomalies;
	int64_t last_run_ns; /* CLOCK_REALTIME */
	char *path;	     /* NULL: not known */
	uint64_t *words;     /* ascending, each with a bit of a mask */
	size_t n_words;
};

/* Frees what an image owns and makes it empty. */
void image_clear(struct image *image);
#define IMAGE_CLEANUP __attribute__((cleanup(image_clear)))

/*
 * What this machine is called in images: a hash of /etc/machine-id, which itself is not told. 0: it
 * has none.
 */
uint64_t image_machine(void);

/**
 * image_words_set() - takes words over, in the order and form that images have.
 * @words: from malloc(), in any order; becomes the image's. Those without a bit of a mask are left
 *	   out, those with the same key are united, bits that no word has are dropped.
 */
void image_words_set(struct image *image, uint64_t *words, size_t n_words);

/**
 * image_encode() - the bytes of the file.
 * @image:    words as image_words_set() leaves them; the due time counts when it is frozen only
 * @ret_data: to be freed by the caller
 *
 * Return: 0; -E2BIG when path or words are more than a file may have; -EINVAL when it is nothing
 * that image_decode() would take (no state, a relative path, words in disorder); -ENOMEM.
 */
int image_encode(const struct image *image, void **ret_data, size_t *ret_bytes);

/**
 * image_decode() - reads the bytes of a file, trusting none of them.
 * @ret:	to be freed with image_clear(); untouched on failure
 * @ret_reason: on failure one clause: what is wrong; static
 *
 * Return: 0; -EBADMSG when the file is damaged; -EPROTONOSUPPORT when it is another version's or
 * architecture's; -ENOMEM.
 */
int image_decode(const void *data, size_t bytes, struct image *ret, const char **ret_reason);

/**
 * image_is_other() - do these bytes begin a file that image_decode() says -EPROTONOSUPPORT of, if
 * it is whole?
 * @bytes:   of the file, or IMAGE_HEAD_BYTES
 * @ret_crc: then, the file's CRC as it says itself
 */
bool image_is_other(const void *head, size_t bytes, uint32_t *ret_crc);

/**
 * image_merge() - the union of two profiles of one program.
 *
 * Words are united in both masks, counters are added up (anomalies since it became normal only if
 * it still is). The result has come as far as the one of the two that has come less far (training
 * before frozen before normal), and is due at the later time. Machine, executable and path stay
 * those of @into. There may be more words than a file may have: image_encode() says so.
 *
 * Return: 0 or -ENOMEM, then @into is as it was.
 */
int image_merge(struct image *into, const struct image *from);

/**
 * image_inherit() - what a new version of a program begins with.
 * @into: its exe, machine, path stay; all else is replaced
 * @old:  the old version. What belongs to its profile is taken, what was only seen is not.
 *
 * In training, without calls and runs.
 *
 * Return: 0 or -ENOMEM, then @into is as it was.
 */
int image_inherit(struct image *into, const struct image *old);

#endif
