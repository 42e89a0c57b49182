// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Real programs: their profiles hold exactly the pairs that follow from what `strace -f` says of
 * the very same run (strace_predict.py). Nothing is missing and nothing is too many, but for what
 * strace itself disturbs or cannot see:
 *
 * - A thread that is killed while strace holds it before a call (by exit_group or execve of another
 *   thread, or by a signal) never makes this call: strace has shown it, sys_enter never comes. So
 *   the last call of a thread, if it did not return, may be learned or not.
 * - Signals that are ignored are delivered to a process that is traced, SIGCHLD above all. They
 *   interrupt calls that would have gone on waiting: the kernel makes them again, which is no new
 *   call, or goes on with restart_syscall, which is none; some fail with EINTR (epoll_wait). This
 *   run has calls, then, that others have not; but it is the same run for both.
 * - Each call stops twice: threads wait for each other elsewhere than they would. The same holds.
 * - Until its first execve, the process belongs to strace's own profile, which is not compared.
 * - strace does not see siglongjmp(). The handler's window goes on, which is right without knowing;
 *   only a jump from one handler into another has to be announced (jumper.c).
 * - Where the kernel allows no fentry, ebph cannot see that a thread repeats a call because of a
 *   signal that another thread has taken; the prediction allows for that (--blind).
 */
#include "tests/bpf/strace.h"

#include <limits.h>
#include <stddef.h>

#include "tests/harness/child.h"
#include "tests/harness/tap.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs and compares; of fewer pairs than @n_pairs nothing is proven. */
static void compare(const char *const *programs, const char *const *argv, unsigned n_pairs)
{
	struct sandbox sandbox;

	sandbox_new(&sandbox, programs);
	sandbox_compare(&sandbox, argv);
	CHECK(sandbox.n_pairs >= n_pairs, "only %u pairs", sandbox.n_pairs);
	sandbox_free(&sandbox);
}

static void compare_script(const char *const *programs, const char *interpreter, const char *body,
			   unsigned n_pairs)
{
	struct sandbox sandbox;

	sandbox_new(&sandbox, programs);
	sandbox_script(&sandbox, "script", interpreter, body);
	sandbox_compare(&sandbox, LIST("script"));
	CHECK(sandbox.n_pairs >= n_pairs, "only %u pairs", sandbox.n_pairs);
	sandbox_free(&sandbox);
}

static void ls(void)
{
	compare(LIST("ls"), LIST("ls", "-la", "/", "/proc/self/fd"), 100);
}

static void git(void)
{
	static const char body[] = "set -e\n"
				   "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a.test\n"
				   "export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a.test\n"
				   "git init -q --template= -b main repository\n"
				   "cd repository\n"
				   "echo one >file\n"
				   "git add file\n"
				   "git commit -q -m one\n"
				   "echo two >file\n"
				   "git commit -q -a -m two\n"
				   "git gc -q\n"
				   "git log -p\n";

	compare_script(LIST("dash", "git"), "dash", body, 1000);
}

static void python(void)
{
	static const char body[] =
		"import os, signal, subprocess, threading, time\n"
		"def work(n):\n"
		"    for i in range(20):\n"
		"        time.sleep(0.001)\n"
		"        os.stat('/')\n"
		"threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]\n"
		"for thread in threads: thread.start()\n"
		"print(subprocess.run(['ls', '/'], capture_output=True).returncode)\n"
		"for thread in threads: thread.join()\n"
		"signal.signal(signal.SIGALRM, lambda *_: os.getppid())\n"
		"signal.setitimer(signal.ITIMER_REAL, 0.05)\n"
		"time.sleep(0.1)\n"
		"if not (pid := os.fork()):\n"
		"    os._exit(0)\n"
		"os.waitpid(pid, 0)\n";

	compare(LIST("python3", "ls"), LIST("python3", "-I", "-S", "-c", body), 1000);
}

/* Pipes, traps, children that end while the shell waits or works. */
static const char shell_body[] =
	"trap 'echo usr1' USR1\n"
	"trap 'echo child' CHLD\n"
	"ls / | while read -r line; do echo \"$line\"; done | ls /proc/self\n"
	"kill -USR1 $$\n"
	"(ls /; exit 3) &\n"
	"(kill -USR1 $$) &\n"
	"wait\n"
	"wait\n"
	"text=$(ls / | (read -r first; echo \"$first\"))\n"
	"/nonexistent 2>/dev/null || echo $?\n"
	"exec ls -l /\n";

static void dash(void)
{
	compare_script(LIST("dash", "ls"), "dash", shell_body, 300);
}

static void bash(void)
{
	compare_script(LIST("bash", "ls"), "bash", shell_body, 300);
}

static void crowd(void)
{
	compare(LIST(PROGRAM("crowd")), LIST("crowd"), 100);
}

static void jumper(void)
{
	compare(LIST(PROGRAM("jumper")), LIST("jumper"), 100);
}

static void ia32(void)
{
	compare(LIST(PROGRAM("ia32")), LIST("ia32"), 100);
}

const struct test strace_tests[] = {
	{.name = "strace: ls", .run = ls},
	{.name = "strace: git", .run = git, .is_once = true},
	{.name = "strace: python3 with threads and children", .run = python, .is_once = true},
	{.name = "strace: a script of dash", .run = dash, .is_once = true},
	{.name = "strace: a script of bash", .run = bash, .is_once = true},
	{.name = "strace: a crowd of threads", .run = crowd, .is_long = true},
	{.name = "strace: signal handlers, siglongjmp", .run = jumper},
	{.name = "strace: 32 bits", .run = ia32},
	{},
};
