// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * profile export, import, merge: files are read and written here, with the rights of who asks;
 * ebphd gets and gives their bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "enforcer/base64.h"
#include "enforcer/image.h"
#include "enforcer/store.h"
#include "enforcer/util.h"
#include "enforcer/whole.h"

#define PART_BYTES (30u * 1024)

static int file_error(const char *file, const char *what)
{
	fprintf(stderr, "ebphctl: %s: %s\n", printable(file, false), what);
	return CTL_REFUSED;
}

/* ---- export ---------------------------------------------------------------------------------- */

/* A file that comes in parts. */
struct incoming {
	char *data;
	size_t bytes;
	char name[STORE_NAME_MAX];
	bool bad;
};

static bool part_take(void *context, const json_t *part)
{
	const char *text = json_string_value(json_object_get(part, "data"));
	struct incoming *in = context;
	AUTO_FREE void *data = NULL;
	char *more = NULL;
	size_t bytes = 0;

	if (text && !base64_bytes(text, &data, &bytes))
		more = realloc(in->data, in->bytes + bytes + 1);
	in->bad = !more;
	if (!more)
		return false;
	in->data = more;
	memcpy(more + in->bytes, data, bytes);
	in->bytes += bytes;
	snprintf(in->name, sizeof(in->name), "%s", text_of(part, "file"));
	return true;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	ssize_t n = 0;

	for (; bytes; data += n, bytes -= (size_t)n) {
		n = write(fd, data, bytes);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return -errno;
	}
	return 0;
}

/*
 * The whole file or none: it gets its name when all of it is there. Only a file is replaced: for
 * /dev/null or /dev/stdout there would be one in /dev from then on.
 */
static int file_write(const char *file, const struct incoming *in)
{
	AUTO_FREE char *temporary = NULL;
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int r;

	if (!strcmp(file, "-"))
		return write_all(STDOUT_FILENO, in->data, in->bytes);
	if (!lstat(file, &st) && !S_ISREG(st.st_mode))
		return -EEXIST;
	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, in->data, in->bytes);
	if (!r && (fsync(fd) || rename(temporary, file)))
		r = -errno;
	if (r)
		unlink(temporary);
	return r;
}

static void written_tell(const struct ctl *ctl, const char *file, const struct incoming *in)
{
	json_t *object;

	if (ctl->json) {
		object = json_pack("{s:s, s:I}", "file", file, "bytes", (json_int_t)in->bytes);
		json_line(object);
		json_decref(object);
	} else if (!option_value(ctl, "all")) {
		printf("%s: %zu bytes\n", file, in->bytes);
	}
}

/* Into @file; if that is a folder, under the name that the profile has in state_dir. */
static int incoming_write(const struct ctl *ctl, const char *file, const struct incoming *in)
{
	AUTO_FREE char *path = NULL;
	struct stat st;
	int r;

	if (in->bad || !in->bytes)
		return file_error(file, "ebphd sends what is no profile");
	if (strcmp(file, "-") != 0 && !stat(file, &st) && S_ISDIR(st.st_mode)) {
		/* Only a name: it is not for ebphd to say where we write. */
		if (!*in->name || *in->name == '.' || strchr(in->name, '/'))
			return file_error(in->name, "that is no name for a file");
		if (asprintf(&path, "%s/%s", file, in->name) < 0)
			return file_error(file, strerror(ENOMEM));
		file = path;
	}
	r = file_write(file, in);
	if (r == -EEXIST)
		return file_error(file, "that is no regular file (- is the output)");
	if (r)
		return file_error(file, strerror(-r));
	if (strcmp(file, "-") != 0)
		written_tell(ctl, file, in);
	return CTL_DONE;
}

static int export_one(struct ctl *ctl, const char *name, const char *file)
{
	struct incoming in = {0};
	int r = ctl_stream(ctl, "ExportProfile", json_pack("{s:s}", "name", name), part_take, &in);

	if (!r)
		r = incoming_write(ctl, file, &in);
	free(in.data);
	return r;
}

/* Names that can only mean one profile each. What is just being loaded is on disk, too. */
static bool names_take(void *context, const json_t *part)
{
	const json_t *profile;
	char name[300];
	size_t i;

	json_array_foreach(json_object_get(part, "profiles"), i, profile) {
		if (!number_of(profile, "id"))
			snprintf(name, sizeof(name), "file:%s", text_of(profile, "file"));
		else
			snprintf(name, sizeof(name), "id:%lld", number_of(profile, "id"));
		if (strcmp(text_of(profile, "state"), "loading") != 0)
			json_array_append_new(context, json_string(name));
	}
	return true;
}

static int export_all(struct ctl *ctl, const char *folder)
{
	json_t *names = json_array(), *name;
	struct stat st;
	int r, one;
	size_t i, done = 0;

	if (stat(folder, &st) || !S_ISDIR(st.st_mode)) {
		json_decref(names);
		return file_error(folder, "it is no folder");
	}
	r = ctl_stream(ctl, "ListProfiles", json_object(), names_take, names);
	json_array_foreach(names, i, name) {
		ctl->about = json_string_value(name);
		one = export_one(ctl, ctl->about, folder);
		done += !one;
		r = one ? one : r;
		progress_show("exported", i + 1, json_array_size(names));
	}
	if (!ctl->json)
		printf("%zu profiles are in %s\n", done, folder);
	ctl->about = NULL;
	json_decref(names);
	return r;
}

int command_export(struct ctl *ctl)
{
	const char *folder = option_value(ctl, "all");

	if (ctl->n_arguments != (folder ? 0 : 2)) {
		fputs("ebphctl: profile export takes a PROFILE and a FILE, or --all FOLDER\n",
		      stderr);
		return CTL_USAGE;
	}
	return folder ? export_all(ctl, folder) :
			export_one(ctl, ctl->arguments[0], ctl->arguments[1]);
}

/* ---- import ---------------------------------------------------------------------------------- */

/* Reads all of a file, but no more of it than what is too much. Return: 0 or -errno. */
static int file_read(const char *file, void **ret, size_t *ret_bytes)
{
	AUTO_CLOSE int fd = strcmp(file, "-") != 0 ? open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY) :
						     dup(STDIN_FILENO);

	return fd < 0 ? -errno : whole_read(fd, IMAGE_BYTES_MAX, ret, ret_bytes);
}

/* Sends a file in as many parts as it takes. @name: of a profile; NULL: the file says for whom. */
static int file_send(const struct ctl *ctl, const char *data, size_t bytes, const char *name,
		     json_t **ret)
{
	int r = CTL_DONE;

	*ret = NULL;
	for (size_t at = 0; !r && (at < bytes || !at); at += PART_BYTES) {
		size_t left = bytes - at, n = left < PART_BYTES ? left : PART_BYTES;
		AUTO_FREE char *text = base64_text(data + at, n);
		json_t *parameters =
			json_pack("{s:s, s:b}", "data", text ? text : "", "continues", n < left);

		if (name)
			json_object_set_new(parameters, "name", json_string(name));
		json_decref(*ret);
		r = ctl_call(ctl, "ImportProfile", parameters, ret);
	}
	return r;
}

static void imported_tell(const struct ctl *ctl, const json_t *answer)
{
	const json_t *profile = json_object_get(answer, "profile");
	bool united = json_is_true(json_object_get(answer, "united"));
	const char *state = text_of(profile, "state");

	if (ctl->json)
		json_line(answer);
	else if (number_of(profile, "id"))
		printf("%s is %s with %lld pairs, united with what was known here\n",
		       text_of(profile, "path"), state, number_of(profile, "pairs"));
	else
		printf("%s is %s%s; it comes into memory when it runs\n", text_of(profile, "path"),
		       state, united ? ", united with what was known here" : "");
}

static int import_one(struct ctl *ctl, const char *file, const char *name)
{
	json_t *answer = NULL;
	void *data = NULL;
	size_t bytes = 0;
	int r = file_read(file, &data, &bytes);

	if (r)
		return file_error(file, strerror(-r));
	ctl->about = file;
	if (bytes > IMAGE_BYTES_MAX)
		r = file_error(file, "it is larger than any profile");
	else
		r = file_send(ctl, data, bytes, name, &answer);
	if (!r)
		imported_tell(ctl, answer);
	ctl->about = NULL;
	json_decref(answer);
	free(data);
	return r;
}

static int is_profile(const struct dirent *entry)
{
	size_t bytes = strlen(entry->d_name), suffix = strlen(STORE_SUFFIX);

	return bytes > suffix && entry->d_name[0] != '.' &&
	       !strcmp(entry->d_name + bytes - suffix, STORE_SUFFIX);
}

/* A file, or all profiles in a folder. One that is bad does not keep the others out. */
static int import_named(struct ctl *ctl, const char *name)
{
	struct dirent **entries = NULL;
	struct stat st;
	int r = CTL_DONE, n;

	if (stat(name, &st) || !S_ISDIR(st.st_mode))
		return import_one(ctl, name, NULL);
	n = scandir(name, &entries, is_profile, alphasort);
	if (n < 0)
		return file_error(name, strerror(errno));
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *file = NULL;

		if (asprintf(&file, "%s/%s", name, entries[i]->d_name) < 0)
			file = NULL;
		r |= file ? import_one(ctl, file, NULL) : CTL_REFUSED;
		progress_show("imported", (size_t)i + 1, (size_t)n);
		free(entries[i]);
	}
	free(entries);
	return r ? CTL_REFUSED : CTL_DONE;
}

int command_import(struct ctl *ctl)
{
	int r = CTL_DONE;

	for (int i = 0; i < ctl->n_arguments; i++)
		r |= import_named(ctl, ctl->arguments[i]);
	return r ? CTL_REFUSED : CTL_DONE;
}

int command_merge(struct ctl *ctl)
{
	return import_one(ctl, ctl->arguments[1], ctl->arguments[0]);
}
