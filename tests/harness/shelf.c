// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/harness/shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "enforcer/store.h"
#include "enforcer/util.h"
#include "tests/harness/tap.h"

#define AWAIT_MS 30000 /* as long as a disk may need in a machine that is emulated */

char *shelf_new(void)
{
	char folder[] = "/tmp/shelf-XXXXXX", *dir;

	REQUIRE(mkdtemp(folder), "%s", strerror(errno));
	REQUIRE(asprintf(&dir, "%s/state", folder) > 0, "no memory");
	return dir;
}

static bool name_matches(const char *name, const char *prefix, const char *suffix)
{
	size_t n = strlen(name), end = strlen(suffix);

	return name[0] != '.' && !strncmp(name, prefix, strlen(prefix)) && n >= end &&
	       !strcmp(name + n - end, suffix);
}

/* The @i-th such name; "" when there are fewer, and then *@ret_n says how many. */
static void name_find(const char *dir, const char *prefix, const char *suffix, int i, int *ret_n,
		      char ret[static 256])
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort);

	ret[0] = '\0';
	*ret_n = 0;
	for (int j = 0; j < n; j++) {
		if (name_matches(names[j]->d_name, prefix, suffix) && (*ret_n)++ == i)
			snprintf(ret, 256, "%s", names[j]->d_name);
		free(names[j]);
	}
	free(names);
}

int shelf_count(const char *dir, const char *prefix, const char *suffix)
{
	char name[256];
	int n;

	name_find(dir, prefix, suffix, -1, &n, name);
	return n;
}

bool shelf_await(const char *dir, const char *prefix, const char *suffix, int n)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	uint64_t end = now_ns(CLOCK_MONOTONIC) + AWAIT_MS * NSEC_PER_MSEC;

	while (shelf_count(dir, prefix, suffix) != n && now_ns(CLOCK_MONOTONIC) < end)
		nanosleep(&pause, NULL);
	return CHECK(shelf_count(dir, prefix, suffix) == n, "%d of %s*%s instead of %d",
		     shelf_count(dir, prefix, suffix), prefix, suffix, n);
}

char *shelf_at(const char *dir, const char *prefix, int i)
{
	char name[256], *path;
	int n;

	name_find(dir, prefix, STORE_SUFFIX, i, &n, name);
	REQUIRE(name[0], "there are %d profiles %s* in %s", n, prefix, dir);
	REQUIRE(asprintf(&path, "%s/%s", dir, name) > 0, "no memory");
	return path;
}

void shelf_read(const char *path, struct image *ret)
{
	const char *reason = "";
	size_t bytes;
	AUTO_FREE unsigned char *data = file_bytes(path, &bytes);
	int r = image_decode(data, bytes, ret, &reason);

	REQUIRE(r == 0, "%s: %s %s", path, strerror(-r), reason);
}

bool image_holds(const struct image *whole, const struct image *part)
{
	size_t j = 0;

	/* Both in ascending order. */
	for (size_t i = 0; i < part->n_words; i++) {
		uint64_t key = part->words[i] & EBPH_WORD_KEY_MASK;

		while (j < whole->n_words && (whole->words[j] & EBPH_WORD_KEY_MASK) < key)
			j++;
		if (j == whole->n_words || (part->words[i] & ~whole->words[j]) ||
		    (whole->words[j] & EBPH_WORD_KEY_MASK) != key)
			return false;
	}
	return true;
}

/* ---- files ------------------------------------------------------------------------------ */

unsigned char *file_bytes(const char *path, size_t *ret_bytes)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char *data;
	struct stat st = {};

	REQUIRE(fd >= 0 && !fstat(fd, &st), "%s: %s", path, strerror(errno));
	data = malloc((size_t)st.st_size + 1);
	REQUIRE(data && read(fd, data, (size_t)st.st_size) == st.st_size, "%s: %s", path,
		strerror(errno));
	*ret_bytes = (size_t)st.st_size;
	return data;
}

void file_put(const char *path, const void *data, size_t bytes, unsigned int mode)
{
	AUTO_CLOSE int fd = -1;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes && !fchmod(fd, mode), "%s: %s",
		path, strerror(errno));
}

char *program_copy(const char *from, const char *folder, const char *name)
{
	size_t bytes;
	AUTO_FREE unsigned char *data = file_bytes(from, &bytes);
	char *path;

	REQUIRE(asprintf(&path, "%s/%s", folder, name) > 0, "no memory");
	file_put(path, data, bytes, 0755);
	return path;
}
