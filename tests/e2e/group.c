// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/e2e/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "tests/harness/tap.h"

static char root[64]; /* of a hierarchy that is the test's own, in the VM */

void groups_find(void)
{
	if (conf_cgroup_root()) {
		snprintf(root, sizeof(root), "%s", conf_cgroup_root());
		return;
	}
	snprintf(root, sizeof(root), "/sys/fs/cgroup");
	REQUIRE(!mount("none", root, "cgroup2", 0, NULL), "%s: %s", root, strerror(errno));
}

static void group_path(const char *name, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s%s", root, name);
}

void group_make(const char *name)
{
	char path[256];

	group_path(name, path, sizeof(path));
	REQUIRE(!mkdir(path, 0755) || errno == EEXIST, "%s: %s", path, strerror(errno));
}

void group_remove(const char *name)
{
	char path[256];

	group_path(name, path, sizeof(path));
	CHECK(!rmdir(path), "%s: %s", path, strerror(errno));
}

static const char *group_of_next_child;

void group_for_next_child(const char *name)
{
	group_of_next_child = name;
}

void group_enter(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s%s/cgroup.procs", root, group_of_next_child);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(125);
	close(fd);
}
