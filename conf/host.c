/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of the host. */
#include <errno.h>
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

char *conf_path_real(const char *path)
{
	return realpath(path, NULL);
}
