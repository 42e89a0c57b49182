// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * strange [N]: N calls that are anomalies in a profile that has only seen it run without an
 * argument, which makes it normal after a few runs. Copies of it are different executables.
 */
#include <asm/unistd.h>

#define USUAL	    20
#define FIRST_FREE  340 /* numbers that no call has on x86-64 */
#define NUMBER_FREE 84

__attribute__((noreturn)) void strange_run(const char *const *stack);

__asm__(".globl strange_start\nstrange_start: mov %rsp, %rdi\nand $-16, %rsp\ncall strange_run");

static void call(long number)
{
	__asm__ volatile("syscall" : "+a"(number) : "D"(0) : "rcx", "r11", "memory");
}

/* @stack: as the kernel leaves it: the number of arguments, then they, then NULL */
void strange_run(const char *const *stack)
{
	const char *text = stack[2] ? stack[2] : "";
	long n = 0;

	for (; *text; text++)
		n = 10 * n + (*text - '0');
	for (int i = 0; i < USUAL; i++)
		call(__NR_getppid);
	for (long i = 1; i < n; i++)
		call(FIRST_FREE + i * i % NUMBER_FREE);
	/* The end of a strange run is an anomaly, too, alone or not. */
	call(n ? __NR_exit : __NR_exit_group);
	__builtin_unreachable();
}
