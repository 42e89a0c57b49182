// SPDX-License-Identifier: GPL-2.0-or-later
/* usage: spin COUNT: makes so many calls, and then those that every program makes at its end. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 0;

	for (long i = 0; i < count; i++)
		syscall(SYS_getppid);
	return 0;
}
