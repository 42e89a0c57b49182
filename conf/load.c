/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of a configuration: which they are, and whether they may be believed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parser.h"

#define DROP_IN_SUFFIX ".conf"

/* Could someone change it who may not change what ebphd does? */
static int check_owner(const struct conf_place *place, const struct stat *st, uid_t euid,
		       struct conf_diag *diag)
{
	if (st->st_uid != 0 && st->st_uid != euid) {
		conf_diag_add(diag, CONF_ERROR, place,
			      "belongs to user %u, who could change it at will; "
			      "make root its owner (chown root)",
			      st->st_uid);
		return -EPERM;
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		conf_diag_add(diag, CONF_ERROR, place,
			      "can be written by %s (mode %04o); forbid it (chmod go-w)",
			      st->st_mode & S_IWOTH ? "everyone" : "its group",
			      st->st_mode & 07777U);
		return -EPERM;
	}
	return 0;
}

int conf_check_file(const char *path, const struct stat *st, uid_t euid, struct conf_diag *diag)
{
	const struct conf_place place = {.file = path};
	int err;

	if (S_ISDIR(st->st_mode)) {
		conf_diag_add(diag, CONF_ERROR, &place, "is a directory; give a file");
		return -EISDIR;
	}
	if (!S_ISREG(st->st_mode)) {
		conf_diag_add(diag, CONF_ERROR, &place, "is not a regular file");
		return -EINVAL;
	}
	err = check_owner(&place, st, euid, diag);
	if (err)
		return err;
	if (st->st_size > CONF_FILE_MAX) {
		conf_diag_add(diag, CONF_ERROR, &place, "is larger than %d bytes", CONF_FILE_MAX);
		return -EFBIG;
	}
	return 0;
}

static int open_failed(const char *path, int error, struct conf_diag *diag)
{
	const struct conf_place place = {.file = path};
	const char *advice = "give another file with --config FILE";

	if (error == ENOENT)
		advice = "copy ebph.conf.example there or give another with --config FILE";
	else if (error == EACCES)
		advice = "run as root or give another file with --config FILE";
	conf_diag_add(diag, CONF_ERROR, &place, "cannot be opened: %s; %s", strerror(error),
		      advice);
	return -error;
}

/* Read an open, checked file; it may have grown since. The text has no terminator. */
static int read_all(int fd, const char *path, struct conf_diag *diag, char **ret_text,
		    size_t *ret_len)
{
	const struct conf_place place = {.file = path};
	char *text = malloc(CONF_FILE_MAX + 1);
	size_t len = 0;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	do {
		n = read(fd, text + len, CONF_FILE_MAX + 1 - len);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len <= CONF_FILE_MAX) || (n < 0 && errno == EINTR));

	if (n >= 0 && len <= CONF_FILE_MAX) {
		*ret_text = text;
		*ret_len = len;
		return 0;
	}
	free(text);
	if (n >= 0) {
		conf_diag_add(diag, CONF_ERROR, &place, "is larger than %d bytes", CONF_FILE_MAX);
		return -EFBIG;
	}
	n = -errno;
	conf_diag_add(diag, CONF_ERROR, &place, "cannot be read: %s", strerror((int)-n));
	return (int)n;
}

/* Not blocking, or a FIFO of this name would hang us before it can be refused. */
static int open_read(const char *path, struct conf_diag *diag, char **ret_text, size_t *ret_len)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int err;

	if (fd < 0)
		return open_failed(path, errno, diag);
	/* Checked is what was opened, not what the path may name by then. */
	err = fstat(fd, &st) < 0 ? open_failed(path, errno, diag) :
				   conf_check_file(path, &st, geteuid(), diag);
	if (!err)
		err = read_all(fd, path, diag, ret_text, ret_len);
	close(fd);
	return err;
}

/* ---- several files ------------------------------------------------------------------------- */

struct files {
	struct conf_source sources[1 + CONF_DROP_INS_MAX];
	size_t n;
	int err; /* of the first file that is not believed */
};

static void files_free(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free((char *)files->sources[i].name);
		free((char *)files->sources[i].text);
	}
	free(files);
}

/* Takes the name. One that is not believed is reported, and passed over. */
static void file_add(struct files *files, char *name, struct conf_diag *diag)
{
	char *text = NULL;
	size_t len = 0;
	int err = name ? open_read(name, diag, &text, &len) : -ENOMEM;

	if (err) {
		files->err = files->err ? files->err : err;
		free(name);
		return;
	}
	files->sources[files->n++] = (struct conf_source){name, text, len};
}

static int is_drop_in(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name), suffix_len = strlen(DROP_IN_SUFFIX);

	return entry->d_name[0] != '.' && len > suffix_len &&
	       !strcmp(entry->d_name + len - suffix_len, DROP_IN_SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static char *path_join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* The files of an open directory. */
static int drop_ins_add(struct files *files, int dir_fd, const char *dir, struct conf_diag *diag)
{
	const struct conf_place place = {.file = dir};
	struct dirent **entries = NULL;
	struct stat st;
	int n, err = fstat(dir_fd, &st) < 0 ? -errno : check_owner(&place, &st, geteuid(), diag);

	if (err)
		return err;
	n = scandirat(dir_fd, ".", &entries, is_drop_in, by_name);
	if (n < 0)
		return open_failed(dir, errno, diag);
	if (n > CONF_DROP_INS_MAX) {
		conf_diag_add(diag, CONF_ERROR, &place, "has %d files; expected at most %d", n,
			      CONF_DROP_INS_MAX);
		err = -EFBIG;
	}
	for (int i = 0; i < n; i++) {
		if (!err)
			file_add(files, path_join(dir, entries[i]->d_name), diag);
		free(entries[i]);
	}
	free(entries);
	return err;
}

static int files_read(struct files *files, const char *path, struct conf_diag *diag)
{
	char *dir;
	int fd, err = 0;

	file_add(files, strdup(path), diag);
	if (asprintf(&dir, "%s.d", path) < 0)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		err = drop_ins_add(files, fd, dir, diag);
		close(fd);
	} else if (errno != ENOENT && !files->err) {
		err = open_failed(dir, errno, diag);
	}
	free(dir);
	return files->err ? files->err : err;
}

int conf_load(const char *path, struct conf **ret_conf, struct conf_diag *diag)
{
	CONF_CLEANUP struct conf *conf = NULL;
	struct files *files = calloc(1, sizeof(*files));
	int err, parse_err;

	if (!files)
		return -ENOMEM;
	err = files_read(files, path, diag);
	/* Also when it is in vain: whoever mends one file wants to know what else there is. */
	parse_err = conf_parse_sources(files->sources, files->n, true, &conf, diag);
	files_free(files);
	err = err ? err : parse_err;
	if (err)
		return err;
	*ret_conf = conf;
	conf = NULL;
	return 0;
}
