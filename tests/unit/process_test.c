/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes by identity. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "enforcer/process.h"
#include "enforcer/util.h"
#include "tests/start_time.h"

static uint64_t tick_ns(void)
{
	return NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
}

static unsigned int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static pid_t child_start(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void process_is_opened_by_pid_and_start(void **state)
{
	pid_t pid = child_start();
	uint64_t start_ns = start_time_ns(pid);
	int pidfd;

	(void)state;
	pidfd = process_open((uint32_t)pid, start_ns);
	assert_true(pidfd >= 0);
	assert_int_equal(process_signal(pidfd, 0), 0);
	close(pidfd);
	/* The kernel says nanoseconds, /proc clock ticks, rounded down. */
	pidfd = process_open((uint32_t)pid, start_ns + tick_ns() - 1);
	assert_true(pidfd >= 0);
	close(pidfd);
	child_end(pid);
}

static void process_of_another_start_is_gone(void **state)
{
	pid_t pid = child_start();
	uint64_t start_ns = start_time_ns(pid);
	unsigned int before = open_descriptors();

	(void)state;
	assert_int_equal(process_open((uint32_t)pid, start_ns - 1), -ESRCH);
	assert_int_equal(process_open((uint32_t)pid, start_ns + tick_ns()), -ESRCH);
	assert_int_equal(process_open((uint32_t)pid, 0), -ESRCH);
	assert_int_equal(process_open((uint32_t)pid, UINT64_MAX), -ESRCH);
	assert_int_equal(open_descriptors(), before);
	child_end(pid);
}

static void process_that_was_reaped_is_gone(void **state)
{
	pid_t pid = child_start();
	uint64_t start_ns = start_time_ns(pid);
	int pidfd = process_open((uint32_t)pid, start_ns);

	(void)state;
	assert_true(pidfd >= 0);
	child_end(pid);
	assert_int_equal(process_open((uint32_t)pid, start_ns), -ESRCH);
	assert_int_equal(process_signal(pidfd, SIGCONT), -ESRCH);
	close(pidfd);
}

static void signals_arrive(void **state)
{
	pid_t pid = child_start();
	int pidfd = process_open((uint32_t)pid, start_time_ns(pid)), status;

	(void)state;
	assert_true(pidfd >= 0);
	assert_int_equal(process_signal(pidfd, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(process_signal(pidfd, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
	assert_true(WIFCONTINUED(status));
	assert_int_equal(process_signal(pidfd, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(process_signal(-1, 0), -EBADF);
	close(pidfd);
}

/* A process chooses its name, and could look like an older one to who reads it carelessly. */
static void assert_name_does_not_matter(const char *name)
{
	uint64_t start_ns = start_time_ns(getpid());
	char before[16];
	int pidfd, wrong;

	prctl(PR_GET_NAME, before);
	prctl(PR_SET_NAME, name);
	pidfd = process_open((uint32_t)getpid(), start_ns);
	wrong = process_open((uint32_t)getpid(), start_ns + tick_ns());
	prctl(PR_SET_NAME, before);
	if (pidfd < 0)
		fail_msg("named \"%s\": %s", name, strerror(-pidfd));
	assert_int_equal(wrong, -ESRCH);
	close(pidfd);
}

static void blanks_and_brackets_in_a_name_do_not_matter(void **state)
{
	static const char *const names[] = {
		"a b c d e f g h", "(((", ")))", ") R 1 2 3 4 5", "(a) S 1 (b) R 2", " ) ",
		"\\\t) \x7f\xff",  "",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_name_does_not_matter(names[i]);
}

/* /proc/PID/stat has them as they are, unlike /proc/PID/status. */
static void line_ends_in_a_name_do_not_matter(void **state)
{
	(void)state;
	assert_name_does_not_matter("a\nb");
	assert_name_does_not_matter("\n");
	assert_name_does_not_matter(") R 1\n2 3");
}

/* The pid of a process that lives until @until is closed, and whose parent has ended. */
static pid_t orphan_start(const int until[static 2])
{
	pid_t middle, orphan = 0;
	int told[2];
	char byte;

	assert_int_equal(pipe(told), 0);
	middle = fork();
	assert_true(middle >= 0);
	if (!middle) {
		orphan = fork();
		if (orphan)
			_exit(write(told[1], &orphan, sizeof(orphan)) != sizeof(orphan));
		close(until[1]);
		_exit(read(until[0], &byte, 1) != 0);
	}
	assert_int_equal(read(told[0], &orphan, sizeof(orphan)), sizeof(orphan));
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	close(told[0]);
	close(told[1]);
	assert_true(orphan > 0);
	return orphan;
}

static void orphans_are_told_from_children(void **state)
{
	pid_t child = child_start();
	int until[2];

	(void)state;
	assert_false(process_is_orphan(child));
	child_end(child);
	assert_false(process_is_orphan(child));
	assert_int_equal(pipe(until), 0);
	assert_true(process_is_orphan(orphan_start(until)));
	close(until[0]);
	close(until[1]);
}

static void running_programs_are_not_waited_for_for_ever(void **state)
{
	(void)state;
	alarm(60);
	running_programs_wait();
	alarm(0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_is_opened_by_pid_and_start),
		cmocka_unit_test(process_of_another_start_is_gone),
		cmocka_unit_test(process_that_was_reaped_is_gone),
		cmocka_unit_test(signals_arrive),
		cmocka_unit_test(blanks_and_brackets_in_a_name_do_not_matter),
		cmocka_unit_test(line_ends_in_a_name_do_not_matter),
		cmocka_unit_test(orphans_are_told_from_children),
		cmocka_unit_test(running_programs_are_not_waited_for_for_ever),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
