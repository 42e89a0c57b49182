// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes calls that do not exist, and some that do no harm, in an order without end: its pair set
 * grows to the largest size and is full all the time.
 */
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	unsigned int random = (unsigned int)getpid() * 2654435761u;

	for (;;) {
		random = random * 1664525u + 1013904223u;
		/* 336..423 is a hole in the table; beyond 480 nothing has been assigned. */
		if (random & (1u << 20))
			syscall(336 + (random >> 24) % 88, -1L, -1L, -1L, -1L, -1L, -1L);
		else
			syscall(480 + (random >> 24) % 32, -1L, -1L, -1L, -1L, -1L, -1L);
	}
}
