// SPDX-License-Identifier: GPL-2.0-or-later
/* From an executable's identity to a path that people know. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "enforcer/profile.h"
#include "enforcer/util.h"

/* Is the file that @st describes the executable? The device apart. */
static bool stat_is_exe(const struct stat *st, const struct ebph_exe *exe)
{
	return st->st_ino == exe->ino && S_ISREG(st->st_mode) &&
	       st->st_mtim.tv_sec * (int64_t)NSEC_PER_SEC + st->st_mtim.tv_nsec == exe->mtime_ns;
}

dev_t mount_device(int fd, const char *mountinfo)
{
	AUTO_FCLOSE FILE *info = NULL, *mounts = NULL;
	int wanted = -1, id;
	unsigned int major, minor;
	char name[64], *line = NULL;
	dev_t device = 0;
	size_t size = 0;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = fopen(name, "re");
	mounts = fopen(mountinfo, "re");
	while (info && wanted < 0 && getline(&line, &size, info) > 0)
		if (sscanf(line, "mnt_id: %d", &id) == 1)
			wanted = id;
	while (mounts && wanted >= 0 && !device && getline(&line, &size, mounts) > 0)
		if (sscanf(line, "%d %*d %u:%u", &id, &major, &minor) == 3 && id == wanted)
			device = makedev(major, minor);
	free(line);
	return device;
}

/*
 * Is the open file on the executable's device? btrfs and overlayfs show stat() another device
 * than their superblock's; what is mounted shows the latter.
 */
static bool device_is_exe(int fd, const struct stat *st, const struct ebph_exe *exe,
			  const char *mountinfo)
{
	dev_t device = makedev(exe->dev >> 20, exe->dev & 0xfffff); /* linux/kdev_t.h */

	return st->st_dev == device || mount_device(fd, mountinfo) == device;
}

/* Where an open file lies, on the heap; NULL: not known. */
static char *descriptor_path(int fd)
{
	char link[64], name[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name) - 1);
	if (n <= 0)
		return NULL;
	name[n] = '\0';
	return strdup(name);
}

/*
 * The name under which @path is known here, if it is the executable @exe *here*: a process may
 * live in a mount namespace of its own making, where any name stands for any file. All that is
 * asked is asked of one open file, so nobody can exchange it in between.
 */
static char *path_check(const char *path, const struct ebph_exe *exe, bool *ret_system)
{
	AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
	char *name;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !stat_is_exe(&st, exe) ||
	    !device_is_exe(fd, &st, exe, "/proc/self/mountinfo"))
		return NULL;
	name = descriptor_path(fd);
	if (!name)
		return NULL;
	*ret_system = st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
	return name;
}

bool path_is_exe(const char *path, const struct ebph_exe *exe)
{
	AUTO_FREE char *name = NULL;
	bool system;

	name = path_check(path, exe, &system);
	return name && !strcmp(name, path);
}

/*
 * Never stopped and never refused an execve, whatever they do: without them nobody could log in
 * and put things right. Where they lie differs between distributions; that the file is root's
 * own, and that it is in one of these folders, does not. A name alone would be an invitation.
 */
/* clang-format off */
static const char *const protected_names[] = {
	"agetty",	   "dbus-broker",    "dbus-daemon",  "ebphctl",
	"ebphd",	   "getty",	     "init",	     "login",
	"sshd",		   "sshd-auth",	     "sshd-session", "sulogin",
	"systemd",	   "systemd-executor", "systemd-journald", "systemd-logind",
	"systemd-udevd",   "udevadm",
};

static const char *const protected_folders[] = {
	"/sbin", "/usr/sbin", "/usr/local/sbin", "/bin", "/usr/bin", "/lib/systemd",
	"/usr/lib/systemd", "/usr/libexec", "/usr/lib/openssh", "/usr/libexec/openssh",
};
/* clang-format on */

static bool is_one_of(const char *text, size_t bytes, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == bytes && !memcmp(text, list[i], bytes))
			return true;
	return false;
}

static void profile_protect(struct profiles *profiles, uint32_t slot)
{
	const struct profile_note *note = &profiles->notes[slot];
	const char *name;

	if (!note->path || !note->system)
		return;
	name = strrchr(note->path, '/') + 1;
	if (is_one_of(note->path, (size_t)(name - 1 - note->path), protected_folders,
		      ARRAY_SIZE(protected_folders)) &&
	    is_one_of(name, strlen(name), protected_names, ARRAY_SIZE(protected_names)))
		__atomic_or_fetch(&profiles->kernel->heads[slot].flags, EBPH_PROFILE_PROTECTED,
				  __ATOMIC_RELAXED);
}

/* What follows from a path that has become known. */
static void path_known(struct profiles *profiles, uint32_t slot)
{
	__atomic_or_fetch(&profiles->kernel->heads[slot].flags, EBPH_PROFILE_NAMED,
			  __ATOMIC_RELAXED);
	profile_protect(profiles, slot);
	rule_apply(profiles, slot);
}

void profile_known_path(struct profiles *profiles, uint32_t slot, const char *path)
{
	struct profile_note *note = &profiles->notes[slot];

	note->path = path_check(path, &profiles->kernel->heads[slot].exe, &note->system);
	if (note->path)
		path_known(profiles, slot);
}

/* What the process calls its executable; true in its own mount namespace only. */
static bool process_path(uint32_t pid, char ret[static PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, ret, PATH_MAX - 1);
	if (n <= 0)
		return false;
	ret[n] = '\0';
	return true;
}

/* The control group (version 2) of a process by its directory in /proc, on the heap; NULL. */
static char *process_cgroup(int proc)
{
	int fd = openat(proc, "cgroup", O_RDONLY | O_CLOEXEC);
	AUTO_FCLOSE FILE *file = fd >= 0 ? fdopen(fd, "re") : NULL;
	char line[PATH_MAX], *cgroup = NULL;

	if (fd >= 0 && !file)
		close(fd);
	while (file && !cgroup && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::/", 4))
			cgroup = strdup(line + 3);
	}
	return cgroup;
}

/*
 * A program that is not to be found here: where it lies in the mount namespace of a process that
 * runs it, and in which control group that is. It is that very file; its name is what whoever made
 * the namespace has made of it. All is asked of one process, should another get its number.
 */
static void inside_learn(struct profiles *profiles, uint32_t slot, const struct ebph_exe *exe,
			 uint32_t pid)
{
	struct profile_note *note = &profiles->notes[slot];
	AUTO_CLOSE int proc = -1, fd = -1;
	AUTO_FREE char *name = NULL, *cgroup = NULL;
	char path[64];
	struct stat st;

	if (note->inside)
		return;
	snprintf(path, sizeof(path), "/proc/%u", pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = proc < 0 ? -1 : openat(proc, "exe", O_PATH | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%u/mountinfo", pid);
	if (fd < 0 || fstat(fd, &st) || !stat_is_exe(&st, exe) ||
	    !device_is_exe(fd, &st, exe, path) || !st.st_nlink)
		return;
	name = descriptor_path(fd);
	cgroup = process_cgroup(proc);
	if (!name || *name != '/' || !cgroup)
		return;
	note->inside = TAKE_PTR(name);
	note->cgroup = TAKE_PTR(cgroup);
	rule_apply(profiles, slot);
}

bool profile_learn_path(struct profiles *profiles, uint32_t slot, const struct ebph_exe *exe,
			uint32_t pid, const char *hint)
{
	struct profile_note *note = &profiles->notes[slot];
	char claimed[PATH_MAX];

	if (note->path)
		return false;
	if (!process_path(pid, claimed))
		snprintf(claimed, sizeof(claimed), "%s", hint);
	if (claimed[0] == '/')
		note->path = path_check(claimed, exe, &note->system);
	if (!note->path && hint[0] == '/')
		note->path = path_check(hint, exe, &note->system);
	if (note->path) {
		path_known(profiles, slot);
		return true;
	}
	inside_learn(profiles, slot, exe, pid);
	if (!note->hint && claimed[0] && asprintf(&note->hint, "%s (unverified)", claimed) < 0)
		note->hint = NULL;
	return false;
}

const char *profile_name(struct profiles *profiles, uint32_t slot)
{
	const struct profile_note *note = &profiles->notes[slot];

	if (note->path)
		return note->path;
	return note->hint ? note->hint : "(unknown program)";
}
