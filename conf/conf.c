/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "option.h"

int conf_new_default(struct conf **ret_conf)
{
	CONF_CLEANUP struct conf *conf = calloc(1, sizeof(*conf));
	char reason[CONF_REASON_MAX];
	int err;

	if (!conf)
		return -ENOMEM;
	for (size_t i = 0; i < conf_n_options; i++) {
		err = conf_option_set(&conf_options[i], conf, conf_options[i].default_text, reason);
		if (err)
			return err;
	}
	*ret_conf = conf;
	conf = NULL;
	return 0;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf_n_options; i++)
		if (conf_options[i].type == CONF_TYPE_PATH)
			free(*(char **)((char *)conf + conf_options[i].offset));
	free(conf);
}

const char *conf_mode_name(enum conf_mode mode)
{
	return (unsigned int)mode <= CONF_MODE_ENFORCE ? conf_mode_names[mode] : "unknown";
}

int conf_mode_from_name(const char *name, enum conf_mode *ret_mode)
{
	for (unsigned int i = 0; conf_mode_names[i]; i++) {
		if (strcmp(name, conf_mode_names[i]) != 0)
			continue;
		*ret_mode = (enum conf_mode)i;
		return 0;
	}
	return -EINVAL;
}

int conf_check_file(const char *path, const struct stat *st, uid_t euid, struct conf_diag *diag)
{
	const struct conf_place place = {.file = path};

	if (S_ISDIR(st->st_mode)) {
		conf_diag_add(diag, CONF_ERROR, &place, "is a directory; give a file");
		return -EISDIR;
	}
	if (!S_ISREG(st->st_mode)) {
		conf_diag_add(diag, CONF_ERROR, &place, "is not a regular file");
		return -EINVAL;
	}
	if (st->st_uid != 0 && st->st_uid != euid) {
		conf_diag_add(diag, CONF_ERROR, &place,
			      "belongs to user %u, who could change it at will; "
			      "make root its owner (chown root)",
			      st->st_uid);
		return -EPERM;
	}
	if (st->st_mode & (S_IWGRP | S_IWOTH)) {
		conf_diag_add(diag, CONF_ERROR, &place,
			      "can be written by %s (mode %04o); forbid it (chmod go-w)",
			      st->st_mode & S_IWOTH ? "everyone" : "its group",
			      st->st_mode & 07777U);
		return -EPERM;
	}
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

int conf_load(const char *path, struct conf **ret_conf, struct conf_diag *diag)
{
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int fd, err;

	/* Not blocking, or a FIFO of this name would hang us before it can be refused. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return open_failed(path, errno, diag);
	/* Checked is what was opened, not what the path may name by then. */
	err = fstat(fd, &st) < 0 ? open_failed(path, errno, diag) :
				   conf_check_file(path, &st, geteuid(), diag);
	if (!err)
		err = read_all(fd, path, diag, &text, &len);
	close(fd);
	if (!err)
		err = conf_parse(path, text, len, ret_conf, diag);
	free(text);
	return err;
}
