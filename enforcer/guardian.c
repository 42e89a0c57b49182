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

/*
 * Closes every descriptor but two and the standard ones: a link that we kept open would keep the
 * programs attached beyond the daemon's life.
 */
static void descriptors_close_but(int a, int b)
{
	unsigned int low = a < b ? a : b, high = a < b ? b : a;

	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0u, 0);
}

static void oom_protect(void)
{
	AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1000", 5) < 0)
		log_warn("the guardian may be killed when memory runs out");
}

static void guardian_run(struct kernel *kernel, const char *bpf_dir, int daemon_pidfd)
{
	struct pollfd daemon = {.fd = daemon_pidfd, .events = POLLIN};
	int delayed_fd = kernel_delayed_fd(kernel);
	unsigned int released;

	while (poll(&daemon, 1, -1) < 0 && errno == EINTR)
		;
	kernel_settings(kernel)->stand_down = 1;
	running_programs_wait();
	released = delayed_release_all(delayed_fd);
	if (!delayed_unpin(bpf_dir))
		log_warn("ebphd died; released %u delayed processes", released);
}

pid_t guardian_start(struct kernel *kernel, const char *bpf_dir)
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
	if (kernel_introduce(kernel, true))
		log_warn("the guardian could not introduce itself and is watched like others");
	descriptors_close_but(kernel_delayed_fd(kernel), daemon_pidfd);
	guardian_run(kernel, bpf_dir, daemon_pidfd);
	_exit(0);
}
