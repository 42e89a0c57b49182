// SPDX-License-Identifier: GPL-2.0-or-later
/* From an executable's identity to a path that people know. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "enforcer/profile.h"
#include "enforcer/util.h"

/*
 * Is @path the file @exe? btrfs and overlayfs show stat() another device than their superblock's,
 * so for what /proc names itself the device is not asked for.
 */
static bool stat_is_exe(const char *path, const struct ebph_exe *exe, bool compare_dev,
			bool *ret_system)
{
	struct stat st;
	dev_t dev = makedev(exe->dev >> 20, exe->dev & 0xfffff); /* MINORBITS, linux/kdev_t.h */

	if (stat(path, &st))
		return false;
	*ret_system = st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
	return st.st_ino == exe->ino && S_ISREG(st.st_mode) &&
	       st.st_mtim.tv_sec * (int64_t)NSEC_PER_SEC + st.st_mtim.tv_nsec == exe->mtime_ns &&
	       (!compare_dev || st.st_dev == dev);
}

/* The path of a process's executable, if it is still @exe. */
static char *path_of_process(uint32_t pid, const struct ebph_exe *exe, bool *ret_system)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return NULL;
	path[n] = '\0';
	/* Asked after the name was read: the process may have gone on to another program. */
	return stat_is_exe(link, exe, false, ret_system) ? strdup(path) : NULL;
}

bool profile_learn_path(struct profiles *profiles, uint32_t slot, const struct ebph_exe *exe,
			uint32_t pid, const char *hint)
{
	struct profile_note *note = &profiles->notes[slot];

	if (note->path)
		return false;
	note->path = path_of_process(pid, exe, &note->system);
	if (!note->path && hint[0] == '/' && stat_is_exe(hint, exe, true, &note->system))
		note->path = realpath(hint, NULL);
	if (note->path) {
		__atomic_or_fetch(&profiles->kernel->heads[slot].flags, EBPH_PROFILE_NAMED,
				  __ATOMIC_RELAXED);
		return true;
	}
	if (!note->hint && hint[0] && asprintf(&note->hint, "%s (unverified)", hint) < 0)
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

/*
 * Never stopped and never refused an execve, whatever they do: without them nobody could log in
 * and put things right. Where they lie differs between distributions; that the file is root's
 * own, and that it is in one of these folders, does not. A name alone would be an invitation.
 */
static const char *const protected_names[] = {
	"agetty", "dbus-broker",      "dbus-daemon",	"ebphctl",	 "ebphd",
	"getty",  "init",	      "login",		"sshd",		 "sulogin",
	"systemd", "systemd-journald", "systemd-logind", "systemd-udevd", "udevadm",
};

static const char *const protected_folders[] = {
	"/sbin", "/usr/sbin", "/usr/local/sbin", "/bin", "/usr/bin", "/lib/systemd",
	"/usr/lib/systemd", "/usr/libexec",
};

static bool is_one_of(const char *text, size_t bytes, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == bytes && !memcmp(text, list[i], bytes))
			return true;
	return false;
}

void profile_protect(struct profiles *profiles, uint32_t slot)
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
