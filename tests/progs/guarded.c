// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: guarded [CALL]
 * Prepares a few things in the current folder, makes one call that changes something there or
 * elsewhere, and says what it returned. Without an argument it makes none.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static int file, datagrams;
static struct sockaddr_un peer = {.sun_family = AF_UNIX, .sun_path = "peer"};
static struct sockaddr_un own = {.sun_family = AF_UNIX, .sun_path = "own"};
static const char *helper;

static void prepare(void)
{
	file = open("file", O_CREAT | O_RDWR, 0600);
	if (file < 0 || write(file, "text", 4) != 4 || mkdir("folder", 0700))
		_exit(3);
	datagrams = socket(AF_UNIX, SOCK_DGRAM, 0);
}

/* clang-format off */
#define CALLS(X)                                                                                   \
	X(write, write(file, "more", 4))                                                           \
	X(pwritev, pwrite(file, "more", 4, 4))                                                     \
	X(ftruncate, ftruncate(file, 1))                                                           \
	X(truncate, truncate("file", 1))                                                           \
	X(openat_new, open("new", O_CREAT | O_EXCL | O_WRONLY, 0600))                              \
	X(openat_cut, open("file", O_WRONLY | O_TRUNC))                                            \
	X(unlink, unlink("file"))                                                                  \
	X(rmdir, rmdir("folder"))                                                                  \
	X(mkdir, mkdir("new", 0700))                                                               \
	X(mknod, mknod("new", S_IFIFO | 0600, 0))                                                  \
	X(symlink, symlink("file", "new"))                                                         \
	X(link, link("file", "new"))                                                               \
	X(rename, rename("file", "new"))                                                           \
	X(chmod, chmod("file", 0644))                                                              \
	X(chown, chown("file", 7, 7))                                                              \
	X(setxattr, setxattr("file", "trusted.mark", "x", 1, 0))                                   \
	X(bind, bind(datagrams, (void *)&own, sizeof(own)))                                        \
	X(sendto, sendto(datagrams, "hello", 5, 0, (void *)&peer, sizeof(peer)))                   \
	X(setuid, setuid(7))                                                                       \
	X(mount, mount("none", "folder", "tmpfs", 0, NULL))                                        \
	X(kill, kill(atoi(helper), SIGTERM))                                                       \
	X(mmap, mmap((void *)0x10000000, 4096, PROT_READ | PROT_EXEC,                              \
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED ? 0 : -1)
/* clang-format on */

static long call(const char *name)
{
#define CALL(word, expression)                                                                     \
	if (!strcmp(name, #word))                                                                  \
		return (long)(expression);
	CALLS(CALL)
	_exit(4);
}

int main(int argc, char **argv)
{
	char line[64];
	long result = 0;
	int n;

	helper = argc > 2 ? argv[2] : "0";
	prepare();
	if (argc > 1)
		result = call(argv[1]);
	syscall(SYS_getppid); /* or a write would be nothing unusual here */
	n = snprintf(line, sizeof(line), "%ld %s\n", result, result < 0 ? strerror(errno) : "good");
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		return 1;
	return 0;
}
