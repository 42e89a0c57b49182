// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "enforcer/delay.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

#define WATCH_MS 500

static void oom_protect(void)
{
	AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1000", 5) < 0)
		log_warn("the guardian may be killed when memory runs out");
}

/* For a daemon that hangs: nobody is stopped then, and whose time is over goes on. */
static void guardian_watch(struct kernel *kernel, int delayed_fd)
{
	struct ebph_settings *settings = kernel_settings(kernel);
	uint64_t heartbeat = __atomic_load_n(&settings->heartbeat_ns, __ATOMIC_RELAXED);

	if ((int64_t)(now_ns(CLOCK_MONOTONIC) - heartbeat) > (int64_t)EBPH_HEARTBEAT_LIMIT_NS)
		delayed_release_overdue(delayed_fd);
}

static void guardian_run(struct kernel *kernel, const char *bpf_dir, int daemon_pidfd)
{
	struct pollfd daemon = {.fd = daemon_pidfd, .events = POLLIN};
	int delayed_fd = kernel_delayed_fd(kernel);
	unsigned int released;

	while (poll(&daemon, 1, WATCH_MS) != 1)
		guardian_watch(kernel, delayed_fd);
	kernel_settings(kernel)->stand_down = 1;
	running_programs_wait();
	released = delayed_release_all(delayed_fd);
	/* A daemon that ended well has done all this itself. */
	if (!delayed_unpin(delayed_fd, bpf_dir))
		log_warn("ebphd died; released %u delayed processes", released);
}

pid_t guardian_start(struct kernel *kernel, const char *bpf_dir, bool background)
{
	AUTO_CLOSE int daemon_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	sigset_t none;
	pid_t pid;

	if (daemon_pidfd < 0)
		return -errno;
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : pid;

	setsid(); /* Ctrl-C on the daemon's terminal is not for us */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "ebph-guardian");
	oom_protect();
	if (kernel_introduce(kernel, EBPH_OURS_GUARDIAN))
		log_warn("the guardian could not introduce itself and is watched like others");
	descriptors_close_but(kernel_delayed_fd(kernel), daemon_pidfd);
	if (background) {
		standard_streams_leave();
		log_open();
	}
	guardian_run(kernel, bpf_dir, daemon_pidfd);
	_exit(0);
}
