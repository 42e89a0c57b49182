// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * worker SCRIPT_FD HOT_PATH_FD HEADS_FD AGENT EXE 0|1: a program whose threads carry out the
 * operations of a script (tests/bpf/script.h). Calls are fed to the hot path by BPF_PROG_TEST_RUN;
 * signals, forks, execs and exits are real. With 1 it was executed by an operation of a batch that
 * ends with it.
 *
 * Where handlers' frames lie on the stack is part of what is tested, so it is not left to the
 * compiler: what a signal interrupts is a call made with the stack pointer at a place that depends
 * on nothing but how many handlers are under way. Stacks of threads lie below those of the threads
 * that made them, and each alternate stack lies below the stack that it belongs to.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "tests/bpf/script.h"

#define STACK_BYTES 0x40000 /* half of it the alternate stack */
#define BELOW_FRAME 4096    /* room for what is called between a level and its signal */
#define IA32_BPF    357	    /* arch/x86/entry/syscalls/syscall_32.tbl */
#define FAR_AWAY    65536   /* bytes of memory where no signal's stack frame was ever put */

static struct script *script;
static const struct ebph_profile *heads;
static int script_fd, hot_path_fd, heads_fd;
static unsigned int exe;
static char *stacks; /* the end of the region below which the next thread's stack lies */
static unsigned int n_stacks;
static char far_away[FAR_AWAY];

/* In the lower 4 GB, for calls of the 32-bit ABI. One for all: only one thread runs at a time. */
static struct {
	union bpf_attr attr;
	uint64_t arguments[2];
} * fed;

/* This thread. */
static __thread struct {
	unsigned int agent;
	unsigned int level;
	uint64_t base[SCRIPT_LEVELS + 1];  /* stack pointer at which signals come */
	uint64_t frame[SCRIPT_LEVELS + 1]; /* ... and at which their rt_sigreturn is made */
	sigjmp_buf start[SCRIPT_LEVELS + 1];
	int pipe[SCRIPT_LEVELS + 1]; /* the last one that was read from at this level */
	int writer;		     /* its other end */
} self;

static void futex_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void futex_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, 64, NULL, NULL, 0);
}

/* A call with another stack pointer: what the kernel and the programs see as the thread's own. */
static long call_at(uint64_t sp, long nr, uint64_t a, uint64_t b, uint64_t c)
{
	register long result __asm__("rax") = nr;

	__asm__ volatile("mov %%rsp, %%r12\n\tmov %[sp], %%rsp\n\tsyscall\n\tmov %%r12, %%rsp"
			 : "+a"(result)
			 : "D"(a), "S"(b), "d"(c), [sp] "r"(sp)
			 : "rcx", "r11", "r12", "memory");
	return result;
}

static long call_ia32_at(uint64_t sp, long nr, uint64_t a, uint64_t b, uint64_t c)
{
	register long result __asm__("rax") = nr;

	__asm__ volatile("mov %%rsp, %%r12\n\tmov %[sp], %%rsp\n\tint $0x80\n\tmov %%r12, %%rsp"
			 : "+a"(result), "+b"(a), "+c"(b), "+d"(c)
			 : [sp] "D"(sp)
			 : "r8", "r9", "r10", "r11", "r12", "memory");
	return result;
}

/* Makes a call, as far as the hot path can tell. */
static void feed(const struct op *op, uint64_t sp)
{
	long result;

	memset(fed, 0, sizeof(*fed));
	fed->arguments[1] = op->nr;
	fed->attr.test.prog_fd = (uint32_t)hot_path_fd;
	fed->attr.test.ctx_in = (uintptr_t)fed->arguments;
	fed->attr.test.ctx_size_in = sizeof(fed->arguments);
	result = op->ia32 ? call_ia32_at(sp, IA32_BPF, BPF_PROG_TEST_RUN, (uintptr_t)&fed->attr,
					 sizeof(fed->attr)) :
			    call_at(sp, SYS_bpf, BPF_PROG_TEST_RUN, (uintptr_t)&fed->attr,
				    sizeof(fed->attr));
	if (result)
		abort();
	if (script->record && script->n_calls < SCRIPT_CALLS)
		script->state[script->n_calls] =
			(uint8_t)__atomic_load_n(&heads[script->slot[exe]].state, __ATOMIC_RELAXED);
	script->n_calls++;
}

/* Says that this agent is there. */
static void publish(void)
{
	struct script_agent *agent = &script->agent[self.agent];

	agent->pid = (uint32_t)getpid();
	futex_set(&agent->tid, (uint32_t)gettid());
}

static void wait_for_agent(unsigned int agent)
{
	while (!__atomic_load_n(&script->agent[agent].tid, __ATOMIC_SEQ_CST))
		futex_wait(&script->agent[agent].tid, 0);
}

static void batch_end(void)
{
	__atomic_store_n(&script->agent[self.agent].turn, 0, __ATOMIC_SEQ_CST);
	futex_set(&script->done, script->done + 1);
}

static void turn_wait(void)
{
	uint32_t *turn = &script->agent[self.agent].turn;

	while (!__atomic_load_n(turn, __ATOMIC_SEQ_CST))
		futex_wait(turn, 0);
}

/* Below the stack whose end .stacks is. */
static void altstack_set(void)
{
	const stack_t stack = {.ss_sp = stacks - STACK_BYTES, .ss_size = STACK_BYTES / 2};

	if (sigaltstack(&stack, NULL))
		abort();
}

/* ---- operations -------------------------------------------------------------------------- */

static void play(void);

static void handler(int signal, siginfo_t *info, void *context)
{
	(void)info;
	if (signal == SIGALRM)
		close(self.writer); /* the read that it has interrupted finds an end then */
	self.level++;
	self.frame[self.level] = (uintptr_t)context; /* where `ret` leaves the stack pointer */
	play();
	self.level--;
}

/* A read that has nothing to read; the conductor sends SIGALRM as soon as this thread waits. */
static void block(void)
{
	int ends[2];
	char byte;

	if (self.pipe[self.level])
		close(self.pipe[self.level]);
	if (pipe2(ends, O_CLOEXEC))
		abort();
	self.pipe[self.level] = ends[0];
	self.writer = ends[1];
	__atomic_store_n(&script->blocking, 1 + self.agent, __ATOMIC_SEQ_CST);
	if (call_at(self.base[self.level], SYS_read, (uint64_t)ends[0], (uintptr_t)&byte, 1))
		abort();
}

/*
 * SIGWINCH, which is ignored by default, but only when it is taken off the queue: blocked until a
 * ppoll() unblocks it and is interrupted.
 */
static void restart(void)
{
	const struct timespec at_once = {};
	sigset_t blocked, before;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGWINCH);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	syscall(SYS_tgkill, getpid(), gettid(), SIGWINCH);
	if (ppoll(NULL, 0, &at_once, &before))
		abort();
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void *thread_start(void *argument)
{
	memset(&self, 0, sizeof(self));
	self.agent = *(const unsigned int *)argument;
	altstack_set();
	publish();
	play();
	return NULL;
}

static void thread(unsigned int agent)
{
	unsigned int number = agent; /* read before wait_for_agent() returns */
	pthread_attr_t how;
	pthread_t id;

	if (++n_stacks >= SCRIPT_STACKS)
		abort();
	stacks -= STACK_BYTES;
	pthread_attr_init(&how);
	pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
	if (pthread_attr_setstack(&how, stacks - STACK_BYTES / 2, STACK_BYTES / 2) ||
	    pthread_create(&id, &how, thread_start, &number))
		abort();
	wait_for_agent(agent);
}

static void process(unsigned int agent)
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid) {
		wait_for_agent(agent);
		return;
	}
	self.agent = agent;
	publish();
	turn_wait();
}

/* Executes program @what as @agent, in this process or in one of its own. */
static void execute(unsigned int agent, unsigned int what, bool in_place)
{
	const unsigned int numbers[] = {(unsigned int)script_fd,
					(unsigned int)hot_path_fd,
					(unsigned int)heads_fd,
					agent,
					what,
					in_place};
	char name[] = "worker", text[6][12];
	char *argv[] = {name, text[0], text[1], text[2], text[3], text[4], text[5], NULL};

	for (int i = 0; i < 6; i++)
		snprintf(text[i], sizeof(text[i]), "%u", numbers[i]);
	if (in_place)
		execv(script->path[what], argv);
	else if (!posix_spawn(&(pid_t){0}, script->path[what], NULL, NULL, argv, environ))
		return; /* vfork() and exec */
	abort();
}

static void life(const struct op *op)
{
	switch (op->type) {
	case OP_FORK:
		process(op->target);
		break;
	case OP_THREAD:
		thread(op->target);
		break;
	case OP_SPAWN:
		execute(op->target, op->exe, false);
		wait_for_agent(op->target);
		break;
	case OP_EXEC:
		script->agent[self.agent].turn = 0;
		execute(self.agent, op->exe, true);
		break;
	case OP_EXEC_FAILS:
		if (!execl("/nonexistent/program", "worker", NULL))
			abort();
		break;
	case OP_EXIT:
		batch_end();
		syscall(SYS_exit, 0);
		break;
	case OP_EXIT_PROCESS:
		batch_end();
		syscall(SYS_exit_group, 0);
		break;
	}
}

/* Return: not 0 when the handler ends. */
static int operation(const struct op *op)
{
	switch (op->type) {
	case OP_CALL:
		for (uint32_t i = 0; i < op->count; i++)
			feed(op, self.base[self.level]);
		return 0;
	case OP_SIGNAL:
		call_at(self.base[self.level], SYS_tgkill, (uint64_t)getpid(), (uint64_t)gettid(),
			op->on_altstack ? SIGUSR2 : SIGUSR1);
		return 0;
	case OP_BLOCK:
		block();
		return 0;
	case OP_RETURN:
		feed(op, self.frame[self.level]);
		return 1;
	case OP_JUMP:
		self.level = op->target;
		siglongjmp(self.start[self.level], 1);
	case OP_FORGE:
		feed(op, (uintptr_t)far_away + FAR_AWAY / 2);
		return 0;
	case OP_RESTART:
		restart();
		return 0;
	default:
		life(op);
		return 0;
	}
}

/* One level of handlers, or none, until its end. */
static __attribute__((noinline)) void play(void)
{
	self.base[self.level] = (uintptr_t)__builtin_frame_address(0) - BELOW_FRAME;
	sigsetjmp(self.start[self.level], 0);
	for (;;) {
		while (script->next == script->n_ops || !script->agent[self.agent].turn) {
			if (script->agent[self.agent].turn)
				batch_end();
			turn_wait();
		}
		if (operation(&script->op[script->next++]))
			return;
	}
}

static void signals_set(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};

	signal(SIGCHLD, SIG_IGN);
	signal(SIGWINCH, SIG_DFL);
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags |= SA_RESTART;
	sigaction(SIGALRM, &action, NULL);
	action.sa_flags |= SA_ONSTACK;
	sigaction(SIGUSR2, &action, NULL);
}

int main(int argc, char **argv)
{
	size_t region = (size_t)STACK_BYTES * (SCRIPT_STACKS + 1);

	if (argc != 7)
		return 2;
	script_fd = atoi(argv[1]);
	hot_path_fd = atoi(argv[2]);
	heads_fd = atoi(argv[3]);
	self.agent = (unsigned int)atoi(argv[4]);
	exe = (unsigned int)atoi(argv[5]);
	script = mmap(NULL, sizeof(*script), PROT_READ | PROT_WRITE, MAP_SHARED, script_fd, 0);
	heads = mmap(NULL, SCRIPT_HEADS_BYTES, PROT_READ, MAP_SHARED, heads_fd, 0);
	fed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
		   0);
	stacks = mmap(NULL, region, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (script == MAP_FAILED || heads == MAP_FAILED || fed == MAP_FAILED ||
	    stacks == MAP_FAILED)
		return 2;
	stacks += region;
	altstack_set();
	signals_set();
	publish();
	if (atoi(argv[6]))
		batch_end();
	play();
	return 0;
}
