// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "enforcer/util.h"

int lock_take(const char *run_dir, int *ret_fd, pid_t *ret_holder)
{
	AUTO_CLOSE int fd = -1;
	char path[512], pid[32];
	ssize_t n;

	if (mkdir(run_dir, 0755) && errno != EEXIST)
		return -errno;
	if ((size_t)snprintf(path, sizeof(path), "%s/ebphd.lock", run_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return -errno;
		n = read(fd, pid, sizeof(pid) - 1);
		pid[n > 0 ? n : 0] = '\0';
		*ret_holder = atoi(pid);
		return -EBUSY;
	}
	n = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
