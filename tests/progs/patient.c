// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waits in every way that a stop can cut short. Nothing sends it signals: whoever sees EINTR has
 * been disturbed. Prints how often each way went wrong, none of them usually.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 40

static const struct timespec moment = {.tv_nsec = 1000000};
static int epoll_fd, timer_fd;

static int by_epoll(void)
{
	const struct itimerspec soon = {.it_value = moment};
	struct epoll_event event;
	unsigned long long n;

	return timerfd_settime(timer_fd, 0, &soon, NULL) ||
	       epoll_wait(epoll_fd, &event, 1, 10000) != 1 || read(timer_fd, &n, sizeof(n)) < 0;
}

static int by_epoll_in_vain(void)
{
	struct epoll_event event;

	return epoll_wait(epoll_fd, &event, 1, 1) != 0;
}

static int by_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, &moment) != -1 || errno != EAGAIN;
}

static int by_sleep(void)
{
	return nanosleep(&moment, NULL) != 0;
}

static int by_poll(void)
{
	return poll(NULL, 0, 1) != 0;
}

static int by_select(void)
{
	struct timeval tv = {.tv_usec = 1000};

	return select(0, NULL, NULL, NULL, &tv) != 0;
}

static int by_futex(void)
{
	static unsigned int word;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &moment, NULL, 0) != -1 ||
	       errno != ETIMEDOUT;
}

static int by_child(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(3);
	return waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 3;
}

static int by_pipe(void)
{
	int ends[2], bad;
	char c = 'x';

	if (pipe(ends))
		return 1;
	bad = write(ends[1], &c, 1) != 1 || read(ends[0], &c, 1) != 1;
	close(ends[0]);
	close(ends[1]);
	return bad;
}

static const struct {
	const char *name;
	int (*wait)(void);
} ways[] = {
	{"epoll", by_epoll},   {"epoll in vain", by_epoll_in_vain},
	{"signal", by_signal}, {"sleep", by_sleep},
	{"poll", by_poll},     {"select", by_select},
	{"futex", by_futex},   {"child", by_child},
	{"pipe", by_pipe},
};

int main(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event))
		return 1;
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		int wrong = 0;

		for (int j = 0; j < ROUNDS; j++)
			wrong += ways[i].wait();
		printf("%s: %d\n", ways[i].name, wrong);
	}
	return 0;
}
