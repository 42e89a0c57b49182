// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/e2e/effect.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/pidfd.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/progs/guarded_calls.h"

#define EFFECT(name) static int name(const struct attempt *attempt)

/* ---- in its folder ----------------------------------------------------------------------- */

static bool stat_of(const struct attempt *attempt, const char *name, struct stat *ret)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", attempt->folder, name);
	return !lstat(path, ret);
}

static int exists(const struct attempt *attempt, const char *name)
{
	struct stat st;

	return stat_of(attempt, name, &st);
}

/* As it was made, the file has 4 bytes, mode 0600, and is root's. */
static struct stat file_stat(const struct attempt *attempt)
{
	struct stat st = {.st_size = -1};

	stat_of(attempt, "file", &st);
	return st;
}

EFFECT(bytes_added)
{
	return (int)file_stat(attempt).st_size - 4;
}

EFFECT(file_cut)
{
	return file_stat(attempt).st_size == 0;
}

EFFECT(file_gone)
{
	return !exists(attempt, "file");
}

EFFECT(mode_changed)
{
	return file_stat(attempt).st_mode == (S_IFREG | 0644);
}

EFFECT(owner_changed)
{
	return file_stat(attempt).st_uid == NEW_ID;
}

EFFECT(time_changed)
{
	return file_stat(attempt).st_mtim.tv_sec == NEW_ID;
}

EFFECT(new_exists)
{
	return exists(attempt, "new");
}

EFFECT(own_exists)
{
	return exists(attempt, "own");
}

EFFECT(empty_gone)
{
	return !exists(attempt, "empty");
}

static int mounted_at(const struct attempt *attempt, const char *name)
{
	struct stat in, out;

	return stat_of(attempt, name, &in) && stat_of(attempt, "", &out) && in.st_dev != out.st_dev;
}

EFFECT(folder_mounted)
{
	return mounted_at(attempt, "folder");
}

EFFECT(mounted_gone)
{
	return !mounted_at(attempt, "mounted");
}

EFFECT(tree_mounted)
{
	return exists(attempt, "empty/marker");
}

static int has_attribute(const struct attempt *attempt, const char *name)
{
	char path[160], value[8];

	snprintf(path, sizeof(path), "%s/file", attempt->folder);
	return getxattr(path, name, value, sizeof(value)) > 0;
}

EFFECT(mark_set)
{
	return has_attribute(attempt, "trusted.mark");
}

EFFECT(kept_gone)
{
	return !has_attribute(attempt, "trusted.kept");
}

EFFECT(file_locked)
{
	char path[160];
	int fd, failed;

	snprintf(path, sizeof(path), "%s/file", attempt->folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	failed = flock(fd, LOCK_EX | LOCK_NB);
	close(fd);
	return failed != 0;
}

EFFECT(record_locked)
{
	struct flock whole = {.l_type = F_WRLCK};
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/file", attempt->folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	fcntl(fd, F_GETLK, &whole);
	close(fd);
	return whole.l_type == F_WRLCK && whole.l_pid == attempt->pid;
}

/* ---- at its descriptors ------------------------------------------------------------------ */

/* A copy of its descriptor. */
static int descriptor_of(const struct attempt *attempt, int fd)
{
	int pidfd = pidfd_open(attempt->pid, 0);
	int copy = pidfd_getfd(pidfd, fd, 0);

	close(pidfd);
	return copy;
}

EFFECT(bytes_consumed)
{
	int fd = descriptor_of(attempt, FD_OTHER);
	int at = (int)lseek(fd, 0, SEEK_CUR);

	close(fd);
	return at;
}

EFFECT(nonblocking)
{
	int fd = descriptor_of(attempt, FD_DATAGRAM);
	int flags = fcntl(fd, F_GETFL);

	close(fd);
	return (flags & O_NONBLOCK) != 0;
}

EFFECT(priority_set)
{
	int fd = descriptor_of(attempt, FD_DATAGRAM);
	socklen_t size = sizeof(int);
	int priority = -1;

	getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, &size);
	close(fd);
	return priority;
}

EFFECT(pair_shut)
{
	struct pollfd end = {.fd = descriptor_of(attempt, FD_PAIR_OTHER_END), .events = POLLRDHUP};

	poll(&end, 1, 0);
	close(end.fd);
	return (end.revents & POLLRDHUP) != 0;
}

EFFECT(descriptors_made)
{
	char path[64];
	struct stat st;
	int n = 0;

	for (int fd = FD_MADE_MIN; fd <= FD_MADE_MAX; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", attempt->pid, fd);
		n += !lstat(path, &st);
	}
	return n;
}

/* ---- at the other end -------------------------------------------------------------------- */

/* Since it was last asked. */
EFFECT(datagrams_came)
{
	char text[16];
	int n = 0;

	while (recv(attempt->peer, text, sizeof(text), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* Since it was last asked. */
EFFECT(callers_came)
{
	int fd, n = 0;

	while ((fd = accept4(attempt->door, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		n++;
	}
	return n;
}

EFFECT(waiting_listens)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int failed;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/waiting", attempt->folder);
	failed = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return !failed;
}

EFFECT(messages_came)
{
	struct msqid_ds state = {};

	msgctl(msgget(attempt->victim, 0), IPC_STAT, &state);
	return (int)state.msg_qnum;
}

static int queue_exists(const char *name, const struct attempt *attempt)
{
	char path[16];
	mqd_t fd;

	snprintf(path, sizeof(path), "/%s%d", name, attempt->victim);
	fd = mq_open(path, O_RDONLY);
	if (fd != -1)
		mq_close(fd);
	return fd != -1;
}

EFFECT(new_queue_exists)
{
	return queue_exists(NEW_QUEUE, attempt);
}

EFFECT(old_queue_gone)
{
	return !queue_exists(OLD_QUEUE, attempt);
}

EFFECT(queue_gone)
{
	return msgget(attempt->victim, 0) == -1;
}

EFFECT(memory_gone)
{
	return shmget(attempt->victim, 0, 0) == -1;
}

EFFECT(semaphore_raised)
{
	return semctl(semget(attempt->victim, 1, 0), 0, GETVAL);
}

/* ---- what /proc says --------------------------------------------------------------------- */

/* Finds the line of /proc/PID/@name that begins with @start. Return: false: there is none. */
static bool proc_line(pid_t pid, const char *name, const char *start, char ret[static 256])
{
	char path[64];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	while (file && !found && fgets(ret, 256, file))
		found = !strncmp(ret, start, strlen(start));
	if (file)
		fclose(file);
	return found;
}

static int proc_says(pid_t pid, const char *name, const char *start)
{
	char line[256];

	return proc_line(pid, name, start, line);
}

EFFECT(user_changed)
{
	return proc_says(attempt->pid, "status", "Uid:\t7\t");
}

EFFECT(group_changed)
{
	return proc_says(attempt->pid, "status", "Gid:\t7\t");
}

EFFECT(groups_changed)
{
	return proc_says(attempt->pid, "status", "Groups:\t7 ");
}

EFFECT(powers_gone)
{
	return proc_says(attempt->pid, "status", "CapEff:\t0000000000000000");
}

EFFECT(mapped_exists)
{
	return proc_says(attempt->pid, "maps", "10000000-10001000 r-xp");
}

EFFECT(area_executable)
{
	return proc_says(attempt->pid, "maps", "30000000-30001000 r-xp");
}

EFFECT(shared_attached)
{
	return proc_says(attempt->pid, "maps", "40000000-40001000 rw-s");
}

EFFECT(limited)
{
	return proc_says(attempt->pid, "limits", "Max core file size        7 ");
}

EFFECT(victim_limited)
{
	return proc_says(attempt->victim, "limits", "Max core file size        7 ");
}

EFFECT(victim_traced)
{
	return !proc_says(attempt->victim, "status", "TracerPid:\t0\n");
}

/* Those that wait for all processes of a user, who has only this one. */
EFFECT(signals_came)
{
	char line[256];

	return proc_line(attempt->victim, "status", "SigQ:\t", line) ? atoi(line + 6) : -1;
}

EFFECT(children_made)
{
	char parent[32];
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int n = 0;

	snprintf(parent, sizeof(parent), "PPid:\t%d\n", attempt->pid);
	while (dir && (entry = readdir(dir)))
		n += isdigit((unsigned char)entry->d_name[0]) &&
		     proc_says(atoi(entry->d_name), "status", parent);
	if (dir)
		closedir(dir);
	return n;
}

EFFECT(root_changed)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root/marker", attempt->pid);
	return !access(path, F_OK);
}

EFFECT(buffer_filled)
{
	char path[64], byte = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", attempt->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(fd, &byte, 1, (off_t)BUFFER) != 1)
		byte = 0;
	close(fd);
	return byte != 0;
}

/* ---- in the whole machine ---------------------------------------------------------------- */

EFFECT(zone_set)
{
	struct timezone zone = {};
	struct timeval now;

	(void)attempt;
	syscall(SYS_gettimeofday, &now, &zone);
	return zone.tz_dsttime;
}

static int64_t clock_distance_ns; /* from CLOCK_MONOTONIC, when this machine is as ever */

EFFECT(clock_jumped) /* by an hour */
{
	int64_t apart = (int64_t)(now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC));

	(void)attempt;
	return apart - clock_distance_ns > 1800 * (int64_t)NSEC_PER_SEC;
}

void effects_begin(void)
{
	clock_distance_ns = (int64_t)(now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC));
}

void effects_undo(void)
{
	int64_t ns = (int64_t)now_ns(CLOCK_MONOTONIC) + clock_distance_ns;
	const struct timespec before = {.tv_sec = ns / (int64_t)NSEC_PER_SEC,
					.tv_nsec = ns % (int64_t)NSEC_PER_SEC};
	const struct timezone zone = {};

	syscall(SYS_settimeofday, NULL, &zone);
	clock_settime(CLOCK_REALTIME, &before);
}

EFFECT(nothing)
{
	(void)attempt;
	return 0;
}

/* Calls that the headers may not know yet have no names, see callname(). */
#ifdef SYS_fchmodat2 /* 6.6 */
#define FCHMODAT2 "fchmodat2"
#else
#define FCHMODAT2 "call 452"
#endif
#ifdef SYS_setxattrat /* 6.13 */
#define SETXATTRAT    "setxattrat"
#define REMOVEXATTRAT "removexattrat"
#else
#define SETXATTRAT    "call 463"
#define REMOVEXATTRAT "call 466"
#endif

#define ROW(word, event_name, function, n, expression)                                             \
	{.name = #word, .call = (event_name), .effect = (function), .times = (n)},
const struct guarded_call guarded_calls[GUARDED_CALLS_MAX] = {GUARDED_CALLS(ROW){}};
