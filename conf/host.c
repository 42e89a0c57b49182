/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of the host. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
