// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/store.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "enforcer/process.h"
#include "enforcer/util.h"

#define TMP_SUFFIX     ".tmp"
#define DAMAGED_SUFFIX ".damaged"
#define OTHER_SUFFIX   ".other-"				   /* and a CRC in 8 digits */
#define MORE_NAME_MAX  (STORE_NAME_MAX + sizeof(OTHER_SUFFIX) + 8) /* with any of them */
#define PROGRAM_MAX    64 /* bytes of a program in a name */

#define LOCK_WAIT_NS   (3 * NSEC_PER_SEC)
#define LOCK_STEP_NS   (20 * NSEC_PER_MSEC)

/* ---- opening --------------------------------------------------------------------------- */

/* Writes the reason and hands @err on. */
__attribute__((format(printf, 3, 4))) static int refuse(char ret_reason[static STORE_REASON_MAX],
							int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_reason, STORE_REASON_MAX, format, arguments);
	va_end(arguments);
	return err;
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t name_bytes = strlen(name), suffix_bytes = strlen(suffix);

	return name_bytes >= suffix_bytes && !strcmp(name + name_bytes - suffix_bytes, suffix);
}

/* A name in a directory must last as long as what it stands for. */
static int sync_parent(int dir_fd)
{
	AUTO_CLOSE int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

static int dir_check(int fd, char ret_reason[static STORE_REASON_MAX])
{
	struct stat st;

	if (fstat(fd, &st))
		return refuse(ret_reason, -errno, "%s", strerror(errno));
	if (st.st_uid != geteuid())
		return refuse(ret_reason, -EPERM, "it belongs to user %u: chown it to user %u",
			      st.st_uid, geteuid());
	if (st.st_mode & 077)
		return refuse(ret_reason, -EPERM,
			      "others may read or write it (mode %04o): chmod 700 it",
			      st.st_mode & 07777);
	return 0;
}

static int dir_open(const char *dir, int *ret_fd, char ret_reason[static STORE_REASON_MAX])
{
	AUTO_CLOSE int fd = -1;
	bool made = !mkdir(dir, 0700);
	int err;

	if (!made && errno != EEXIST)
		return refuse(ret_reason, -errno, "it cannot be made: %s", strerror(errno));
	fd = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return refuse(ret_reason, -ENOTDIR, "it is no directory: move it away");
	if (fd < 0)
		return refuse(ret_reason, -errno, "it cannot be opened: %s", strerror(errno));
	err = dir_check(fd, ret_reason);
	if (err)
		return err;
	err = made ? sync_parent(fd) : 0;
	if (err)
		return refuse(ret_reason, err, "its parent cannot be synced: %s", strerror(-err));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * The lock itself is shared by daemon and saver and says nothing of its holders. Of a lock of this
 * kind the kernel knows whose it is, but it goes with the first descriptor of the file that its
 * process closes, as the daemon does when it has read the directory; the saver never reads it.
 */
void store_introduce_saver(const struct store *store)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	fcntl(store->dir_fd, F_SETLK, &lock);
}

static int refuse_in_use(int fd, char ret_reason[static STORE_REASON_MAX])
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (!fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK && lock.l_pid > 0 &&
	    process_is_orphan(lock.l_pid))
		return refuse(ret_reason, -EBUSY,
			      "it is still used by the saver of an earlier ebphd, which hangs (pid "
			      "%d): wait for its disk, or kill it",
			      lock.l_pid);
	return refuse(ret_reason, -EBUSY,
		      "another ebphd uses it: stop that one, or choose another directory");
}

static int dir_lock(int fd, char ret_reason[static STORE_REASON_MAX])
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_NS};
	uint64_t end = now_ns(CLOCK_MONOTONIC) + LOCK_WAIT_NS;

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return refuse(ret_reason, -errno, "it cannot be locked: %s",
				      strerror(errno));
		if (now_ns(CLOCK_MONOTONIC) >= end)
			return refuse_in_use(fd, ret_reason);
		nanosleep(&step, NULL);
	}
	return 0;
}

static int is_tmp(const struct dirent *entry)
{
	return ends_in(entry->d_name, TMP_SUFFIX);
}

static int is_profile(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && ends_in(entry->d_name, STORE_SUFFIX);
}

/* The names that @wanted, in their order, as scandir(3) gives them. Return: how many, or -errno. */
static int names_read(int dir_fd, int (*wanted)(const struct dirent *), struct dirent ***ret)
{
	int n = scandirat(dir_fd, ".", ret, wanted, alphasort);

	return n < 0 ? -errno : n;
}

static void names_free(struct dirent **names, int n)
{
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

/* What cannot be removed may stay: nobody reads it. */
static int remove_tmp(int dir_fd)
{
	struct dirent **names;
	int n = names_read(dir_fd, is_tmp, &names);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		unlinkat(dir_fd, names[i]->d_name, 0);
	names_free(names, n);
	return 0;
}

int store_open(const char *dir, struct store **ret, char ret_reason[static STORE_REASON_MAX])
{
	AUTO_FREE char *path = strdup(dir);
	AUTO_CLOSE int fd = -1;
	struct store *store;
	int err;

	if (!path)
		return refuse(ret_reason, -ENOMEM, "there is no memory");
	/* "link/" is what the link leads to, whatever O_NOFOLLOW says. */
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	err = dir_open(path, &fd, ret_reason);
	if (err)
		return err;
	err = dir_lock(fd, ret_reason);
	if (err)
		return err;
	err = remove_tmp(fd);
	if (err)
		return refuse(ret_reason, err, "it cannot be read: %s", strerror(-err));
	store = malloc(sizeof(*store));
	if (!store)
		return refuse(ret_reason, -ENOMEM, "there is no memory");
	store->dir_fd = TAKE_FD(fd);
	store->dir = TAKE_PTR(path);
	*ret = store;
	return 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	close_fd(&store->dir_fd);
	free(store->dir);
	free(store);
}

/* ---- names ----------------------------------------------------------------------------- */

void store_name(const struct image *image, char ret[static STORE_NAME_MAX])
{
	const char *slash = image->path ? strrchr(image->path, '/') : NULL;
	const char *program = slash && slash[1] ? slash + 1 : "unknown";
	size_t n = 0;

	for (; n < PROGRAM_MAX && program[n]; n++) {
		unsigned char c = (unsigned char)program[n];

		ret[n] = (char)(isascii(c) && (isalnum(c) || strchr("._+-", c)) ? c : '_');
	}
	if (ret[0] == '.') /* hidden, or "." itself */
		ret[0] = '_';
	snprintf(ret + n, STORE_NAME_MAX - n, "-%016llx-%016llx-%016llx-%08x-%08x" STORE_SUFFIX,
		 (unsigned long long)image->machine, (unsigned long long)image->exe.ino,
		 (unsigned long long)image->exe.mtime_ns, image->exe.dev, image->exe.generation);
}

/* A file of this directory, not one of another, and none that we use otherwise? */
static bool name_is_valid(const char *name)
{
	return strlen(name) < STORE_NAME_MAX && name[0] != '.' && !strchr(name, '/') &&
	       ends_in(name, STORE_SUFFIX);
}

/* ---- writing --------------------------------------------------------------------------- */

/* The file is new: what lies under its name is a leftover, and a link leads nowhere. */
static int tmp_create(int dir_fd, const char *tmp, int *ret_fd)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(dir_fd, tmp, flags, 0600);

	if (fd < 0 && errno == EEXIST && !unlinkat(dir_fd, tmp, 0))
		fd = openat(dir_fd, tmp, flags, 0600);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int tmp_write(int dir_fd, const char *tmp, const void *data, size_t bytes)
{
	AUTO_CLOSE int fd = -1;
	int err = tmp_create(dir_fd, tmp, &fd);

	if (err)
		return err;
	err = write_all(fd, data, bytes);
	/* Before it has its name: afterwards there would be a moment in which its data are not. */
	if (!err && fsync(fd))
		err = -errno;
	if (err)
		unlinkat(dir_fd, tmp, 0);
	return err;
}

/* Is what lies under a name another version's? Return: 0: it is; -ENOENT; -errno. */
static int other_find(int dir_fd, const char *name, uint32_t *ret_crc)
{
	AUTO_CLOSE int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char head[IMAGE_HEAD_BYTES];
	ssize_t n;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -ENOENT : -errno; /* a link, a socket */
	n = read(fd, head, sizeof(head));
	if (n < 0)
		return -errno;
	return image_is_other(head, (size_t)n, ret_crc) ? 0 : -ENOENT;
}

/*
 * Another version's file gets another name before ours takes its own. With the CRC in it, nothing
 * but the same file is in the way; and synced, or a power cut could leave ours without the other.
 */
static int other_keep(int dir_fd, const char *name)
{
	char kept[MORE_NAME_MAX];
	uint32_t crc = 0;
	int err = other_find(dir_fd, name, &crc);

	if (err)
		return err == -ENOENT ? 0 : err;
	snprintf(kept, sizeof(kept), "%s" OTHER_SUFFIX "%08x", name, crc);
	return renameat(dir_fd, name, dir_fd, kept) || fsync(dir_fd) ? -errno : 0;
}

int store_save_bytes(struct store *store, const char *name, const void *data, size_t bytes)
{
	char tmp[MORE_NAME_MAX];
	int err;

	if (!name_is_valid(name))
		return -EINVAL;
	if (bytes > IMAGE_BYTES_MAX)
		return -E2BIG;
	snprintf(tmp, sizeof(tmp), "%s" TMP_SUFFIX, name);
	err = tmp_write(store->dir_fd, tmp, data, bytes);
	if (err)
		return err;
	err = other_keep(store->dir_fd, name);
	if (!err && renameat(store->dir_fd, tmp, store->dir_fd, name))
		err = -errno;
	if (err) {
		unlinkat(store->dir_fd, tmp, 0);
		return err;
	}
	return fsync(store->dir_fd) ? -errno : 0;
}

int store_save(struct store *store, const struct image *image)
{
	AUTO_FREE void *data = NULL;
	char name[STORE_NAME_MAX];
	size_t bytes;
	int err = image_encode(image, &data, &bytes);

	if (err)
		return err;
	store_name(image, name);
	return store_save_bytes(store, name, data, bytes);
}

int store_set_aside(struct store *store, const char *name)
{
	char damaged[MORE_NAME_MAX];

	if (!name_is_valid(name))
		return -EINVAL;
	snprintf(damaged, sizeof(damaged), "%s" DAMAGED_SUFFIX, name);
	return renameat(store->dir_fd, name, store->dir_fd, damaged) ? -errno : 0;
}

int store_remove(struct store *store, const char *name)
{
	if (!name_is_valid(name))
		return -EINVAL;
	if (unlinkat(store->dir_fd, name, 0))
		return errno == ENOENT ? 0 : -errno;
	return fsync(store->dir_fd) ? -errno : 0;
}

/* ---- reading --------------------------------------------------------------------------- */

/* All is asked of the open file. A FIFO does not hold us up: O_NONBLOCK. */
static int file_open(int dir_fd, const char *name, int *ret_fd, size_t *ret_bytes,
		     char ret_reason[static STORE_REASON_MAX])
{
	AUTO_CLOSE int fd =
		openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && (errno == ELOOP || errno == ENXIO))
		return refuse(ret_reason, -EPERM, "it is no regular file");
	if (fd < 0 || fstat(fd, &st))
		return refuse(ret_reason, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(ret_reason, -EPERM, "it is no regular file");
	if (st.st_uid != geteuid())
		return refuse(ret_reason, -EPERM, "it belongs to user %u", st.st_uid);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(ret_reason, -EPERM, "others may write it (mode %04o)",
			      st.st_mode & 07777);
	if (st.st_size > IMAGE_BYTES_MAX)
		return refuse(ret_reason, -EFBIG, "it is larger than any profile (%lld bytes)",
			      (long long)st.st_size);
	*ret_bytes = (size_t)st.st_size;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int read_all(int fd, char *data, size_t *bytes)
{
	size_t done = 0;

	while (done < *bytes) {
		ssize_t n = read(fd, data + done, *bytes - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	*bytes = done;
	return 0;
}

int store_load(struct store *store, const char *name, struct image *ret,
	       char ret_reason[static STORE_REASON_MAX])
{
	AUTO_FREE char *data = NULL;
	AUTO_CLOSE int fd = -1;
	const char *wrong;
	size_t bytes = 0;
	int err;

	if (!name_is_valid(name))
		return refuse(ret_reason, -EINVAL, "its name is none of a profile");
	err = file_open(store->dir_fd, name, &fd, &bytes, ret_reason);
	if (err)
		return err;
	data = malloc(bytes + 1);
	if (!data)
		return refuse(ret_reason, -ENOMEM, "there is no memory for it");
	err = read_all(fd, data, &bytes);
	if (err)
		return refuse(ret_reason, err, "%s", strerror(-err));
	err = image_decode(data, bytes, ret, &wrong);
	return err ? refuse(ret_reason, err, "%s", wrong) : 0;
}

struct scan {
	struct store *store;
	int (*each)(void *context, const char *name, struct image *image);
	void (*bad)(void *context, const char *name, int error, const char *reason);
	void *context;
};

static int scan_file(const struct scan *scan, const char *name)
{
	IMAGE_CLEANUP struct image image = {0};
	char reason[STORE_REASON_MAX];
	size_t n;
	int err = store_load(scan->store, name, &image, reason), aside;

	if (!err)
		return scan->each(scan->context, name, &image);
	if (err == -ENOMEM)
		return err;
	if (err == -ENOENT) /* whom we called has removed it */
		return 0;
	aside = err == -EBADMSG ? store_set_aside(scan->store, name) : 0;
	if (aside) {
		n = strlen(reason);
		snprintf(reason + n, sizeof(reason) - n, "; it cannot be set aside: %s",
			 strerror(-aside));
	}
	scan->bad(scan->context, name, err, reason);
	return 0;
}

int store_scan(struct store *store, int (*each)(void *context, const char *name, struct image *),
	       void (*bad)(void *context, const char *name, int error, const char *reason),
	       void *context)
{
	const struct scan scan = {.store = store, .each = each, .bad = bad, .context = context};
	struct dirent **names;
	int err = 0, n = names_read(store->dir_fd, is_profile, &names);

	if (n < 0)
		return n;
	for (int i = 0; i < n && !err; i++)
		err = scan_file(&scan, names[i]->d_name);
	names_free(names, n);
	return err;
}
