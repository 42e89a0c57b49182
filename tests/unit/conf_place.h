/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EBPH_TESTS_CONF_PLACE_H
#define EBPH_TESTS_CONF_PLACE_H

/* After cmocka.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../conf/conf.h"

/* Each test has a directory of its own. */
struct place {
	char dir[64];
	char file[80];
	char drop_ins[88]; /* the directory beside the file; made by drop_in_write() */
};

/* A directory of files alone. */
static inline void tree_remove(const char *path)
{
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

static inline int place_setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	snprintf(place->dir, sizeof(place->dir), "/tmp/ebph-conf-test.XXXXXX");
	if (!mkdtemp(place->dir))
		return -1;
	snprintf(place->file, sizeof(place->file), "%s/ebph.conf", place->dir);
	snprintf(place->drop_ins, sizeof(place->drop_ins), "%s.d", place->file);
	*state = place;
	return 0;
}

static inline int place_teardown(void **state)
{
	struct place *place = *state;

	tree_remove(place->drop_ins);
	tree_remove(place->dir);
	free(place);
	return 0;
}

static inline void file_write(const struct place *place, const char *text, off_t size)
{
	const int fd = open(place->file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	const size_t len = strlen(text);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	if (size)
		assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(close(fd), 0);
}

static inline void drop_in_write(const struct place *place, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	mkdir(place->drop_ins, 0700);
	snprintf(path, sizeof(path), "%s/%s", place->drop_ins, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_int_equal(fclose(file), 0);
}

/* Load, and compare what is printed with the path and expected. */
static inline int loaded(const char *path, const char *expected)
{
	CONF_CLEANUP struct conf *conf = NULL;
	struct conf_diag diag = {0};
	char *printed = NULL, *all = NULL;
	size_t size;
	FILE *out = open_memstream(&printed, &size);
	int err = conf_load(path, &conf, &diag);

	assert_non_null(out);
	conf_diag_print(&diag, out);
	fclose(out);
	conf_diag_clear(&diag);
	size = strlen(path) + strlen(expected) + 1;
	all = calloc(1, size);
	assert_non_null(all);
	if (*expected)
		snprintf(all, size, "%s%s", path, expected);
	assert_string_equal(printed, all);
	assert_true(!err == !!conf);
	free(all);
	free(printed);
	return err;
}

#endif
