/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk that keeps book of what is done to one directory, and what a power cut leaves of it. It
 * promises no more than POSIX does:
 *   - what was written to a file and not synced is there, in part, as zeros, or not at all, also
 *     when its name already is, since a rename syncs nothing;
 *   - of the names made, changed and removed since the directory was synced any may be as before,
 *     in any combination;
 *   - what was synced stays.
 */
#ifndef EBPH_TESTS_DISK_H
#define EBPH_TESTS_DISK_H

/* After cmocka.h and random.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX     4096 /* in one run, removed ones included */
#define NAMES_MAX     16
#define NAME_BYTES    256
#define OPS_MAX	      64 /* between two syncs of the directory */
#define FDS_MAX	      64
#define CONTENT_BYTES 2048
#define NO_FILE	      (-1)

struct content {
	char data[CONTENT_BYTES];
	size_t bytes;
};

struct file {
	struct content synced, now;
};

/* A directory: which name stands for which file. */
struct names {
	char name[NAMES_MAX][NAME_BYTES];
	int file[NAMES_MAX]; /* NO_FILE: a free place */
};

/* A name that got another file, or none; two of them in a rename. */
struct op {
	char name[2][NAME_BYTES];
	int file[2];
	unsigned int n;
};

static struct disk {
	int dir_fd;
	struct file *files[FILES_MAX];
	int n_files;
	struct names synced, now;
	struct op ops[OPS_MAX];
	unsigned int n_ops;
	int file_of_fd[FDS_MAX]; /* 0: none of ours; else the file + 1 */
} disk;

static inline int names_find(const struct names *names, const char *name)
{
	for (int i = 0; i < NAMES_MAX; i++)
		if (names->file[i] != NO_FILE && !strcmp(names->name[i], name))
			return i;
	return -1;
}

static inline int names_file(const struct names *names, const char *name)
{
	int i = names_find(names, name);

	return i < 0 ? NO_FILE : names->file[i];
}

static inline void names_set(struct names *names, const char *name, int file)
{
	int i = names_find(names, name);

	for (int j = 0; i < 0 && j < NAMES_MAX; j++)
		if (names->file[j] == NO_FILE)
			i = j;
	assert_true(i >= 0);
	snprintf(names->name[i], sizeof(names->name[i]), "%s", name);
	names->file[i] = file;
}

static inline void op_apply(struct names *names, const struct op *op)
{
	for (unsigned int i = 0; i < op->n; i++)
		names_set(names, op->name[i], op->file[i]);
}

static inline struct op *op_new(void)
{
	struct op *op = &disk.ops[disk.n_ops++];

	assert_true(disk.n_ops <= OPS_MAX);
	op->n = 0;
	return op;
}

static inline void op_add(struct op *op, const char *name, int file)
{
	snprintf(op->name[op->n], sizeof(op->name[op->n]), "%s", name);
	op->file[op->n++] = file;
}

/* Empty, and seen through @dir_fd. */
static inline void disk_reset(int dir_fd)
{
	for (int i = 0; i < disk.n_files; i++)
		free(disk.files[i]);
	memset(&disk, 0, sizeof(disk));
	disk.dir_fd = dir_fd;
	for (int i = 0; i < NAMES_MAX; i++)
		disk.synced.file[i] = disk.now.file[i] = NO_FILE;
}

static inline struct file *disk_file(int fd)
{
	assert_true(fd >= 0 && fd < FDS_MAX);
	return disk.file_of_fd[fd] ? disk.files[disk.file_of_fd[fd] - 1] : NULL;
}

static inline void disk_open(const char *name, int flags, int fd)
{
	int file = names_file(&disk.now, name);

	assert_true(fd < FDS_MAX);
	disk.file_of_fd[fd] = 0;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return;
	if (file == NO_FILE) {
		struct op *op = op_new();

		file = disk.n_files++;
		assert_true(file < FILES_MAX);
		disk.files[file] = calloc(1, sizeof(struct file));
		assert_non_null(disk.files[file]);
		op_add(op, name, file);
		op_apply(&disk.now, op);
	}
	if (flags & O_TRUNC)
		disk.files[file]->now.bytes = 0;
	disk.file_of_fd[fd] = file + 1;
}

static inline void disk_write(int fd, const void *data, size_t bytes)
{
	struct content *now = &disk_file(fd)->now;

	assert_true(now->bytes + bytes <= CONTENT_BYTES);
	memcpy(now->data + now->bytes, data, bytes);
	now->bytes += bytes;
}

static inline void disk_sync(int fd)
{
	struct file *file = disk_file(fd);

	if (file) {
		file->synced = file->now;
		return;
	}
	assert_int_equal(fd, disk.dir_fd);
	disk.synced = disk.now;
	disk.n_ops = 0;
}

static inline void disk_rename(const char *old, const char *new)
{
	struct op *op = op_new();

	op_add(op, new, names_file(&disk.now, old));
	op_add(op, old, NO_FILE);
	op_apply(&disk.now, op);
}

static inline void disk_unlink(const char *name)
{
	struct op *op = op_new();

	op_add(op, name, NO_FILE);
	op_apply(&disk.now, op);
}

/* ---- what a cut leaves ----------------------------------------------------------------- */

/* One of the contents that @file may have. Without a write since its sync there is only one. */
static inline struct content content_left(const struct file *file, uint64_t *random)
{
	struct content left = file->now;
	size_t from;

	if (file->now.bytes == file->synced.bytes &&
	    !memcmp(file->now.data, file->synced.data, file->now.bytes))
		return left;
	from = random_below(random, (uint32_t)left.bytes + 1);
	switch (random_below(random, 5)) {
	case 0: /* as it was synced, or empty */
		return file->synced;
	case 1: /* the beginning */
		left.bytes = from;
		break;
	case 2: /* the length, and the data of the beginning */
		memset(left.data + from, 0, left.bytes - from);
		break;
	case 3: /* the length, and the data of the end */
		memset(left.data, 0, from);
		break;
	default: /* all */
		break;
	}
	return left;
}

/* The names that may be left: all that is synced, and any of what came later. */
static inline struct names names_left(uint64_t *random)
{
	struct names left = disk.synced;

	for (unsigned int i = 0; i < disk.n_ops; i++)
		if (random_below(random, 2))
			op_apply(&left, &disk.ops[i]);
	return left;
}

/* Makes the directory @dir, as it is found after the cut. */
static inline void remains_write(const char *dir, uint64_t *random)
{
	struct names left = names_left(random);

	assert_int_equal(mkdir(dir, 0700), 0);
	for (int i = 0; i < NAMES_MAX; i++) {
		char path[PATH_MAX];
		struct content content;
		int fd;

		if (left.file[i] == NO_FILE)
			continue;
		content = content_left(disk.files[left.file[i]], random);
		snprintf(path, sizeof(path), "%s/%s", dir, left.name[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, content.data, content.bytes, 0), content.bytes);
		close(fd);
	}
}

#endif
