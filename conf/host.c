/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of the host. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "option.h"

int conf_user_find(const char *name, uint32_t *ret_uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	int err = -ENOENT;

	for (struct passwd *user; file && (user = fgetpwent(file));) {
		if (strcmp(user->pw_name, name) != 0)
			continue;
		*ret_uid = user->pw_uid;
		err = 0;
		break;
	}
	if (file)
		fclose(file);
	return err;
}

int conf_group_find(const char *name, uint32_t *ret_gid)
{
	FILE *file = fopen("/etc/group", "re");
	int err = -ENOENT;

	for (struct group *group; file && (group = fgetgrent(file));) {
		if (strcmp(group->gr_name, name) != 0)
			continue;
		*ret_gid = group->gr_gid;
		err = 0;
		break;
	}
	if (file)
		fclose(file);
	return err;
}

char *conf_path_real(const char *path)
{
	return realpath(path, NULL);
}

const char *conf_cgroup_root(void)
{
	/* The second is where systemd puts it beside those of version 1. */
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs fs;

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (!statfs(roots[i], &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
			return roots[i];
	return NULL;
}
