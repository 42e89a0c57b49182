// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/process.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

/* Reads /proc/PID/stat into @text. @ret_fields: what follows the name. Return: 0; -ESRCH; -errno.
 */
static int stat_read(uint32_t pid, char *text, size_t size, const char **ret_fields)
{
	AUTO_FCLOSE FILE *file = NULL;
	char path[32], *end;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	/* Not a line: the name may hold anything, line ends and brackets too. */
	n = fread(text, 1, size - 1, file);
	if (!n)
		return ferror(file) ? -errno : -EIO;
	text[n] = '\0';
	end = strrchr(text, ')');
	if (!end)
		return -EINVAL;
	*ret_fields = end + 1;
	return 0;
}

/* When a process began, in clock ticks of CLOCK_BOOTTIME: field 22 of /proc/PID/stat. */
static int start_ticks(uint32_t pid, uint64_t *ret)
{
	const char *fields = NULL;
	char text[1024];
	int r = stat_read(pid, text, sizeof(text), &fields);

	if (r)
		return r;
	if (sscanf(fields,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
		   "%*d %*d %" SCNu64,
		   ret) != 1)
		return -EINVAL;
	return 0;
}

static int exe_stat(int pid, struct stat *ret)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return stat(path, ret) ? -errno : 0;
}

bool process_is_orphan(pid_t pid)
{
	struct stat own, parents;
	const char *fields = NULL;
	char text[1024];
	int parent;

	if (stat_read((uint32_t)pid, text, sizeof(text), &fields) ||
	    sscanf(fields, " %*c %d", &parent) != 1 || exe_stat(pid, &own))
		return false;
	/* Whoever takes orphans in, pid 1 or another, is not the program that forked it. */
	return exe_stat(parent, &parents) || own.st_dev != parents.st_dev ||
	       own.st_ino != parents.st_ino;
}

int process_open(uint32_t pid, uint64_t start_ns)
{
	uint64_t ns_per_tick = NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
	AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t ticks = 0;
	int r;

	if (pidfd < 0) /* EINVAL, since 6.15 ENOENT: a thread of another process has that number */
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
	/* Asked after the pidfd is held: what /proc says is about that process, or it is gone. */
	r = start_ticks(pid, &ticks);
	if (r && process_has_ended(pidfd))
		return -ESRCH;
	if (r) /* -ESRCH of a process that lives: there is no /proc */
		return r == -ESRCH ? -EIO : r;
	if (ticks != start_ns / ns_per_tick)
		return -ESRCH;
	return TAKE_FD(pidfd);
}

bool process_has_ended(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};

	return poll(&ended, 1, 0) > 0;
}

int process_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) ? -errno : 0;
}

void descriptors_close_but(int a, int b)
{
	unsigned int low = (unsigned int)(a < b ? a : b), high = (unsigned int)(a < b ? b : a);

	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0u, 0);
}

void standard_streams_leave(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
}

/* A change of a map of maps waits for them (maybe_wait_bpf_programs() in kernel/bpf/syscall.c). */
static int map_change_wait(void)
{
	AUTO_CLOSE int inner = -1, outer = -1;
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	__u32 key = 0;

	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ebph_wait", sizeof(key), 8, 1, NULL);
	opts.inner_map_fd = (__u32)inner;
	if (inner >= 0)
		outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "ebph_waits", sizeof(key),
				       sizeof(__u32), 1, &opts);
	return outer < 0 ? -1 : bpf_map_update_elem(outer, &key, &inner, BPF_ANY);
}

void running_programs_wait(void)
{
	/* With one processor membarrier() waits for nobody, and programs may be preempted. */
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1 && !map_change_wait())
		return;

	/* synchronize_rcu(), which BPF programs are read sides of (kernel/sched/membarrier.c). */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(100000); /* nohz_full: no such call; a program runs for microseconds */
}

void limits_raise(void)
{
	struct rlimit limit;
	AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	/* A pidfd for each process that is delayed. */
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit))
			log_debug("cannot raise the limit of open files: %s", strerror(errno));
	}
	if (fd < 0 || write(fd, "-900", 4) < 0)
		log_debug("cannot lower our OOM score: %s", strerror(errno));
}
