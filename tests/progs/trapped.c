// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: trapped CASE TARGET [odd]
 * Situations in which a call that is made again could be made twice, or not at all; with a third
 * argument, with a call that the usual run of the case does not make. Says "good" in the end, or
 * executes TARGET, which says something.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3

static int odd, file, handled;
static char **target;
static pthread_barrier_t together;

static void must(int good)
{
	if (!good)
		_exit(1);
}

static void say(const char *text)
{
	size_t n = strlen(text);

	must(write(STDOUT_FILENO, text, n) == (ssize_t)n);
}

static void group(void)
{
	if (odd)
		must(!kill(0, SIGURG)); /* which is nothing to those who do not ask for it */
}

static void everybody(void)
{
	if (odd)
		must(!kill(-1, 0));
}

/* The next ones make the odd call until they are killed, and no other. */
static void groups(void)
{
	while (odd)
		kill(0, 0);
}

static void pipes(void)
{
	int here[2], there[2];

	must(!pipe(here) && !pipe(there) && write(here[1], "x", 1) == 1);
	while (odd) {
		splice(here[0], NULL, there[1], NULL, 1, 0);
		splice(there[0], NULL, here[1], NULL, 1, 0);
	}
}

/* The fifth argument is where a call of 64 bits has its first one. */
static void call_32(long nr, long first, long second, long fifth)
{
	__asm__ volatile("int $0x80" : "+a"(nr) : "b"(first), "c"(second), "D"(fifth) : "memory");
}

static void ioctl32(void)
{
	while (odd) /* arch/x86/entry/syscalls/syscall_32.tbl */
		call_32(54, file, FIOCLEX, 0);
}

static void group32(void)
{
	while (odd)
		call_32(37, 0, 0, 1);
}

/* A pidfd's whole group, since 6.9; elsewhere the call fails before it asks anybody. */
static void pidfds(void)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);

	must(self >= 0);
	while (odd)
		syscall(SYS_pidfd_send_signal, self, 0, NULL, 4 /* PIDFD_SIGNAL_PROCESS_GROUP */);
}

static void ipc32(void)
{
	while (odd)
		call_32(117, 0 /* which there is not */, 0, 0);
}

/* Makes the odd call and ends. */
static void *leave(void *pipes)
{
	int *ends = pipes;

	if (odd)
		splice(ends[0], NULL, ends[3], NULL, 1, 0);
	syscall(SYS_exit, 0);
	return NULL;
}

/* Whoever has made the odd call is gone, and the other thread makes none. */
static void leaver(void)
{
	pthread_t thread;
	int ends[4];

	must(!pipe(ends) && !pipe(ends + 2) && write(ends[1], "x", 1) == 1);
	must(!pthread_create(&thread, NULL, leave, ends));
	if (odd)
		for (;;)
			;
	must(!pthread_join(thread, NULL));
}

static void kill32(void)
{
	pid_t self = getpid();

	while (odd)
		call_32(37, self, 0, 0);
}

static void on_signal(int signal)
{
	(void)signal;
	handled++;
}

/* The usual run signals itself; the other one is signalled while it waits to write. */
static void handler(void)
{
	const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */

	must(!sigaction(SIGUSR1, &action, NULL));
	if (odd)
		must(write(file, "more", 4) == 4);
	else
		must(!raise(SIGUSR1));
	must(handled == 1);
}

/* The parent can not go on before the child has written. */
static void vforked(void)
{
	/* NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork): tested
	 */
	pid_t pid = vfork();
	int status;

	if (!pid)
		_exit(odd && syscall(SYS_write, file, "more", 4) != 4);
	/* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
	must(waitpid(pid, &status, 0) == pid && status == 0);
}

/*
 * Its number is how many odd calls it makes before it writes. Who is last ends the process; the
 * others make no call more, each of which would be one more delay.
 */
static void *thread(void *number)
{
	static int ready;

	pthread_barrier_wait(&together);
	for (int i = 0; odd && i < *(const int *)number; i++)
		getpgrp();
	if (odd) /* a plain write is usual here: to say "good" */
		must(pwrite(file, "more", 4, 0) == 4);
	if (__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST) == THREADS) {
		say("good\n");
		_exit(0);
	}
	for (;;)
		;
}

static void threads(void)
{
	int numbers[THREADS] = {0, 0, 1};
	pthread_t threads[THREADS];

	pthread_barrier_init(&together, NULL, THREADS);
	for (size_t i = 0; i < THREADS; i++)
		must(!pthread_create(&threads[i], NULL, thread, &numbers[i]));
	pthread_join(threads[0], NULL);
}

/* Executes as ever, but hot: the odd call is no longer in the window by then. */
static void execute(void)
{
	if (odd)
		getpgrp();
	for (int i = 0; i < 10; i++)
		syscall(SYS_getppid);
	execv(target[0], target);
	_exit(126);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"group", group},     {"everybody", everybody}, {"handler", handler},
		{"vforked", vforked}, {"threads", threads},	{"execute", execute},
		{"groups", groups},   {"pipes", pipes},		{"ioctl32", ioctl32},
		{"group32", group32}, {"kill32", kill32},	{"pidfds", pidfds},
		{"ipc32", ipc32},     {"leaver", leaver},
	};

	must(argc > 2);
	odd = argc > 3;
	target = argv + 2;
	file = open("file", O_CREAT | O_WRONLY | O_APPEND, 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (!strcmp(argv[1], cases[i].name))
			cases[i].run();
	say("good\n");
	return 0;
}
