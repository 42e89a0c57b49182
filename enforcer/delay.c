// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/delay.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

#define RETRY_NS (100 * NSEC_PER_MSEC)

struct delayed_process {
	uint64_t due_ns;
	uint64_t start_ns;
	uint32_t pid;
	int pidfd;
};

int delays_new(struct kernel *kernel, int epoll_fd, delay_released_fn *on_release, void *context,
	       struct delays **ret)
{
	struct delays *delays = calloc(1, sizeof(*delays));

	if (!delays)
		return -ENOMEM;
	delays->kernel = kernel;
	delays->epoll_fd = epoll_fd;
	delays->on_release = on_release;
	delays->context = context;
	delays->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (delays->timer_fd < 0) {
		delays_free(delays);
		return -errno;
	}
	*ret = delays;
	return 0;
}

void delays_free(struct delays *delays)
{
	if (!delays)
		return;
	for (size_t i = 0; i < delays->n; i++)
		close_fd(&delays->heap[i].pidfd);
	close_fd(&delays->timer_fd);
	free(delays->heap);
	free(delays);
}

/* ---- heap ------------------------------------------------------------------------------ */

static void heap_swap(struct delays *delays, size_t a, size_t b)
{
	struct delayed_process process = delays->heap[a];

	delays->heap[a] = delays->heap[b];
	delays->heap[b] = process;
}

/* Puts entry @i, whose due time has changed, where it belongs. */
static void heap_sift(struct delays *delays, size_t i)
{
	for (; i && delays->heap[i].due_ns < delays->heap[(i - 1) / 2].due_ns; i = (i - 1) / 2)
		heap_swap(delays, i, (i - 1) / 2);
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < delays->n; child++)
			if (delays->heap[child].due_ns < delays->heap[least].due_ns)
				least = child;
		if (least == i)
			return;
		heap_swap(delays, i, least);
		i = least;
	}
}

static void heap_remove(struct delays *delays, size_t i)
{
	close_fd(&delays->heap[i].pidfd); /* which takes it out of the epoll, too */
	delays->heap[i] = delays->heap[--delays->n];
	if (i < delays->n)
		heap_sift(delays, i);
}

static int heap_push(struct delays *delays, const struct delayed_process *process)
{
	if (delays->n == delays->allocated) {
		size_t allocated = delays->allocated ? 2 * delays->allocated : 64;
		void *heap = realloc(delays->heap, allocated * sizeof(*delays->heap));

		if (!heap)
			return -ENOMEM;
		delays->heap = heap;
		delays->allocated = allocated;
	}
	delays->heap[delays->n] = *process;
	heap_sift(delays, delays->n++);
	return 0;
}

/* ---- on time --------------------------------------------------------------------------- */

static void timer_arm(struct delays *delays)
{
	struct itimerspec spec = {};
	uint64_t due_ns;

	if (delays->n) {
		due_ns = delays->heap[0].due_ns;
		spec.it_value.tv_sec = (time_t)(due_ns / NSEC_PER_SEC);
		spec.it_value.tv_nsec = (long)(due_ns % NSEC_PER_SEC);
	}
	timerfd_settime(delays->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

int delay_add(struct delays *delays, uint32_t pid, const struct ebph_delay *delay)
{
	struct delayed_process process = {
		.due_ns = delay->due_ns,
		.start_ns = delay->start_ns,
		.pid = pid,
		.pidfd = -1,
	};
	int r;

	for (size_t i = 0; i < delays->n; i++) {
		if (delays->heap[i].pid != pid || delays->heap[i].start_ns != delay->start_ns)
			continue;
		if (delay->due_ns > delays->heap[i].due_ns) {
			delays->heap[i].due_ns = delay->due_ns;
			heap_sift(delays, i);
			timer_arm(delays);
		}
		return 0;
	}
	process.pidfd = process_open(pid, delay->start_ns);
	if (process.pidfd == -ESRCH)
		return -ESRCH;
	/* No pidfd to be had (EMFILE, say): when it is due we try again. */
	if (process.pidfd >= 0) {
		struct epoll_event ended = {.events = EPOLLIN, .data.fd = process.pidfd};

		/* If this fails, its end is noticed when it is due. */
		epoll_ctl(delays->epoll_fd, EPOLL_CTL_ADD, process.pidfd, &ended);
	}
	r = heap_push(delays, &process);
	if (r) {
		process_continue(pid, delay->start_ns, delay->foreign);
		close_fd(&process.pidfd);
		return r;
	}
	timer_arm(delays);
	return 0;
}

void delay_process_ended(struct delays *delays, int pidfd)
{
	size_t i = 0;

	while (i < delays->n && delays->heap[i].pidfd != pidfd)
		i++;
	/* The news may be of one before, which was closed since; the number is another's then. */
	if (i == delays->n || !process_has_ended(pidfd))
		return;
	heap_remove(delays, i);
	timer_arm(delays);
}

int pidfd_continue(int pidfd, uint32_t foreign)
{
	int r = foreign == SIGSTOP ? 0 : process_signal(pidfd, SIGCONT);

	return r || foreign != SIGTSTP ? r : process_signal(pidfd, SIGTSTP);
}

/*
 * Lets the process on top of the heap go, unless it has to wait beyond @now.
 * Return: 0, also when it has to; -errno when it cannot be continued.
 */
static int top_release(struct delays *delays, uint64_t now)
{
	struct delayed_process *top = &delays->heap[0];
	struct ebph_delay delay = {};
	int r;

	/* Who cannot be asked about is let go. */
	if (!kernel_release(delays->kernel, top->pid, top->start_ns, now, &delay) && delay.due_ns) {
		top->due_ns = delay.due_ns;
		heap_sift(delays, 0);
		return 0;
	}
	if (delay.released)
		r = 0; /* by the kernel, a moment ago */
	else if (top->pidfd < 0)
		r = process_continue(top->pid, top->start_ns, delay.foreign);
	else
		r = pidfd_continue(top->pidfd, delay.foreign);
	if (r && r != -ESRCH) {
		log_error("cannot continue process %u, trying again: %s", top->pid, strerror(-r));
		top->due_ns = now_ns(CLOCK_MONOTONIC) + RETRY_NS;
		heap_sift(delays, 0);
		return r;
	}
	if (!r)
		delays->on_release(delays->context, top->pid, delay.foreign);
	heap_remove(delays, 0);
	return 0;
}

void delays_run(struct delays *delays)
{
	uint64_t expirations;

	if (read(delays->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_warn("cannot read the release timer: %s", strerror(errno));
	while (delays->n && delays->heap[0].due_ns <= now_ns(CLOCK_MONOTONIC))
		top_release(delays, now_ns(CLOCK_MONOTONIC));
	timer_arm(delays);
}

void delays_release(struct delays *delays)
{
	/* Who cannot be continued stays, to be tried again: not here, or there were no end. */
	for (size_t n = delays->n; n; n--)
		top_release(delays, UINT64_MAX);
	timer_arm(delays);
}

/* Return: where a process is in the heap; .n: nowhere. */
static size_t heap_find(const struct delays *delays, uint32_t pid)
{
	size_t i = 0;

	while (i < delays->n && delays->heap[i].pid != pid)
		i++;
	return i;
}

bool delay_has(const struct delays *delays, uint32_t pid)
{
	return heap_find(delays, pid) < delays->n;
}

int delay_release(struct delays *delays, uint32_t pid)
{
	size_t i = heap_find(delays, pid);
	int r;

	if (i == delays->n)
		return -ESRCH;
	delays->heap[i].due_ns = 0;
	heap_sift(delays, i);
	r = top_release(delays, UINT64_MAX);
	timer_arm(delays);
	return r;
}
