/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Letting delayed processes go, in the order in which they are due. The kernel's side of it is
 * played here: the linker takes these functions instead of the daemon's. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "enforcer/delay.h"
#include "enforcer/process.h"
#include "enforcer/util.h"
#include "random.h"
#include "tests/start_time.h"

#define CHILDREN 100

struct test {
	struct delays *delays;
	pid_t child[CHILDREN];
	struct ebph_delay delay[CHILDREN];
	uint32_t released[2 * CHILDREN]; /* pids in order */
	size_t n_released;
	unsigned int n_asked, n_continued;
	unsigned int n_refusals; /* of process_continue(), before it works */
};

static struct test test;

/* ---- the kernel's side ----------------------------------------------------------------- */

static size_t child_index(uint32_t pid)
{
	for (size_t i = 0; i < CHILDREN; i++)
		if ((uint32_t)test.child[i] == pid)
			return i;
	fail_msg("%u is no child of ours", pid);
	return 0;
}

/* What the record in the kernel says: test.delay[], which may have changed since delay_add(). */
int kernel_release(struct kernel *kernel, uint32_t tgid, uint64_t start_ns, uint64_t now,
		   struct ebph_delay *ret)
{
	const struct ebph_delay *delay = &test.delay[child_index(tgid)];

	(void)kernel;
	assert_true(start_ns == delay->start_ns);
	*ret = *delay;
	if (delay->due_ns <= now)
		ret->due_ns = 0;
	test.n_asked++;
	return 0;
}

int process_continue(uint32_t pid, uint64_t start_ns, uint32_t foreign)
{
	assert_int_equal(foreign, test.delay[child_index(pid)].foreign);
	assert_true(start_ns == test.delay[child_index(pid)].start_ns);
	if (test.n_refusals) {
		test.n_refusals--;
		return -EMFILE;
	}
	test.n_continued++;
	return kill((pid_t)pid, SIGCONT) ? -errno : 0;
}

static void note_release(void *context, uint32_t pid, uint32_t foreign)
{
	assert_int_equal(foreign, test.delay[child_index(pid)].foreign);
	assert_ptr_equal(context, &test);
	test.released[test.n_released++] = pid;
}

/* ---- children that are stopped --------------------------------------------------------- */

static int test_setup(void **state)
{
	(void)state;
	memset(&test, 0, sizeof(test));
	for (size_t i = 0; i < CHILDREN; i++) {
		test.child[i] = fork();
		if (test.child[i] < 0)
			return -1;
		if (!test.child[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		/* Of a group of its own, or SIGTSTP may mean nothing. */
		setpgid(test.child[i], test.child[i]);
		kill(test.child[i], SIGSTOP);
		waitpid(test.child[i], NULL, WUNTRACED);
		test.delay[i].start_ns = start_time_ns(test.child[i]);
	}
	return delays_new(NULL, -1, note_release, &test, &test.delays);
}

static int test_teardown(void **state)
{
	(void)state;
	delays_free(test.delays);
	for (size_t i = 0; i < CHILDREN; i++) {
		if (test.child[i] <= 0)
			continue;
		kill(test.child[i], SIGKILL);
		waitpid(test.child[i], NULL, 0);
	}
	return 0;
}

static int add(size_t i, uint64_t due_ns)
{
	test.delay[i].due_ns = due_ns;
	return delay_add(test.delays, (uint32_t)test.child[i], &test.delay[i]);
}

static void assert_continued(size_t i)
{
	int status;

	assert_int_equal(waitpid(test.child[i], &status, WCONTINUED | WNOHANG), test.child[i]);
	assert_true(WIFCONTINUED(status));
}

static void assert_still_stopped(size_t i)
{
	assert_int_equal(waitpid(test.child[i], NULL, WCONTINUED | WNOHANG), 0);
}

/* Waits for the timer and runs what is due. */
static void run_once(void)
{
	struct pollfd timer = {.fd = test.delays->timer_fd, .events = POLLIN};

	assert_int_equal(poll(&timer, 1, 10000), 1);
	delays_run(test.delays);
}

static void run_until_released(size_t n)
{
	while (test.n_released < n)
		run_once();
	assert_int_equal(test.n_released, n);
}

/* ---- tests ----------------------------------------------------------------------------- */

static void those_due_are_released_in_order(void **state)
{
	uint64_t random = random_start(), last = 0;

	(void)state;
	for (size_t i = 0; i < CHILDREN; i++) /* long ago, and no two at one time */
		assert_int_equal(add(i, 1 + random_below(&random, 1000000) * 1000ull + i), 0);
	run_until_released(CHILDREN);
	for (size_t i = 0; i < CHILDREN; i++) {
		size_t child = child_index(test.released[i]);

		assert_true(test.delay[child].due_ns > last);
		last = test.delay[child].due_ns;
		assert_continued(child);
	}
	assert_int_equal(test.delays->n, 0);
}

static void nobody_is_released_early_and_everybody_on_time(void **state)
{
	uint64_t random = random_start(), now = now_ns(CLOCK_MONOTONIC), due[CHILDREN];

	(void)state;
	for (size_t i = 0; i < CHILDREN; i++) {
		due[i] = now + 50 * NSEC_PER_MSEC + random_below(&random, 200) * NSEC_PER_MSEC;
		assert_int_equal(add(i, due[i]), 0);
	}
	while (test.n_released < CHILDREN) {
		run_once();
		now = now_ns(CLOCK_MONOTONIC);
		for (size_t i = 0; i < test.n_released; i++)
			assert_true(due[child_index(test.released[i])] <= now);
	}
	for (size_t i = 0; i < CHILDREN; i++)
		assert_continued(i);
	/* Each was asked about once: the timer does not go off for nothing. */
	assert_int_equal(test.n_asked, CHILDREN);
}

static void later_due_time_counts_and_earlier_does_not(void **state)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), hour = 3600 * NSEC_PER_SEC;

	(void)state;
	assert_int_equal(add(0, now + hour), 0);
	assert_int_equal(add(1, 2), 0);
	assert_int_equal(add(2, 3), 0);
	assert_int_equal(add(1, now + hour), 0); /* later now */
	assert_int_equal(add(0, 1), 0);		 /* stays as it was */
	assert_int_equal(test.delays->n, 3);
	run_until_released(1);
	assert_int_equal(test.released[0], test.child[2]);
	assert_continued(2);
	assert_still_stopped(0);
	assert_still_stopped(1);
	assert_int_equal(test.delays->n, 2);
	assert_int_equal(test.n_asked, 1); /* only about the one that was due */
}

/* The kernel's record was prolonged, and the event about it has not come yet. */
static void who_has_to_wait_on_waits_on(void **state)
{
	uint64_t due;

	(void)state;
	assert_int_equal(add(0, 1), 0);
	assert_int_equal(add(1, 2), 0);
	due = now_ns(CLOCK_MONOTONIC) + 100 * NSEC_PER_MSEC;
	test.delay[0].due_ns = due;
	run_until_released(1);
	assert_int_equal(test.released[0], test.child[1]);
	assert_still_stopped(0);
	run_until_released(2);
	assert_int_equal(test.released[1], test.child[0]);
	assert_true(now_ns(CLOCK_MONOTONIC) >= due);
	assert_continued(0);
}

static void dead_and_replaced_processes_are_refused(void **state)
{
	struct ebph_delay delay = test.delay[1];

	(void)state;
	kill(test.child[0], SIGKILL);
	waitpid(test.child[0], NULL, 0);
	assert_int_equal(add(0, 1), -ESRCH);
	/* Not even while another of that pid is waiting. */
	delay.start_ns -= NSEC_PER_SEC;
	assert_int_equal(add(1, UINT64_MAX / 2), 0);
	assert_int_equal(delay_add(test.delays, (uint32_t)test.child[1], &delay), -ESRCH);
	assert_int_equal(test.delays->n, 1);
	assert_still_stopped(1);
}

static void one_that_dies_while_it_waits_is_forgotten(void **state)
{
	uint64_t due = now_ns(CLOCK_MONOTONIC) + 20 * NSEC_PER_MSEC;

	(void)state;
	assert_int_equal(add(0, due), 0);
	assert_int_equal(add(1, due + 20 * NSEC_PER_MSEC), 0);
	kill(test.child[0], SIGKILL);
	waitpid(test.child[0], NULL, 0);
	run_until_released(1);
	assert_int_equal(test.released[0], test.child[1]);
	assert_int_equal(test.delays->n, 0);
}

/* Whom somebody else has stopped stays so; SIGTSTP counts when the delay is over. */
static void stops_of_others_last(void **state)
{
	int status;

	(void)state;
	test.delay[0].foreign = SIGSTOP;
	test.delay[1].foreign = SIGTSTP;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(add(i, 1 + i), 0);
	run_until_released(3);
	assert_still_stopped(0);
	assert_int_equal(waitpid(test.child[1], &status, WUNTRACED), test.child[1]);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	assert_continued(2);
}

/* As many as there are children, when no descriptor can be had. */
static void add_all_without_descriptors(void)
{
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (size_t i = 0; i < CHILDREN; i++)
		assert_int_equal(add(i, 1 + i), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void without_descriptors_all_are_released_all_the_same(void **state)
{
	(void)state;
	add_all_without_descriptors();
	run_until_released(CHILDREN);
	assert_int_equal(test.n_continued, CHILDREN);
	for (size_t i = 0; i < CHILDREN; i++)
		assert_continued(i);
}

/* The kernel's record is cleared by then: nobody but us would ever release them. */
static void without_descriptors_at_the_due_time_they_are_released_later(void **state)
{
	(void)state;
	add_all_without_descriptors();
	test.n_refusals = 5;
	run_until_released(CHILDREN);
	assert_int_equal(test.n_continued, CHILDREN);
	for (size_t i = 0; i < CHILDREN; i++)
		assert_continued(i);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, test_setup, test_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(those_due_are_released_in_order),
		TEST(nobody_is_released_early_and_everybody_on_time),
		TEST(later_due_time_counts_and_earlier_does_not),
		TEST(who_has_to_wait_on_waits_on),
		TEST(dead_and_replaced_processes_are_refused),
		TEST(one_that_dies_while_it_waits_is_forgotten),
		TEST(stops_of_others_last),
		TEST(without_descriptors_all_are_released_all_the_same),
		TEST(without_descriptors_at_the_due_time_they_are_released_later),
	};

	return cmocka_run_group_tests_name("delay", tests, NULL, NULL);
}
