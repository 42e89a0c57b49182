// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes harmless calls in an order that looks random and is the same in every run: some thousand
 * different pairs, more than the first pair set of a profile can hold.
 */
#include <sys/syscall.h>
#include <unistd.h>

/* clang-format off */
static const int calls[] = {
	SYS_getpid,	 SYS_getppid,	  SYS_getuid,	 SYS_geteuid,	 SYS_getgid,
	SYS_getegid,	 SYS_gettid,	  SYS_getpgrp,	 SYS_sched_yield, SYS_umask,
	SYS_getsid,	 SYS_getpgid,	  SYS_times,	 SYS_time,	 SYS_alarm,
	SYS_getpriority, SYS_sched_getscheduler, SYS_inotify_init1, SYS_close, SYS_dup,
	SYS_getcpu,	 SYS_sync_file_range, SYS_madvise, SYS_mincore,	 SYS_sysinfo,
	SYS_getrlimit,	 SYS_getrusage,	  SYS_uname,	 SYS_fcntl,	 SYS_fstat,
	SYS_lseek,	 SYS_ioctl,
};
/* clang-format on */

int main(void)
{
	unsigned int random = 1;

	for (int i = 0; i < 3000; i++) {
		random = random * 1103515245u + 12345u;
		/* Arguments that every one of them refuses or survives. */
		syscall(calls[(random >> 16) % (sizeof(calls) / sizeof(*calls))], -1L, 0L, 0L);
	}
	return 0;
}
