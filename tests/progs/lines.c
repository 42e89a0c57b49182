// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The example of Findlay's thesis (2020, section on the response): writes one line, and one more
 * for each argument. Trained without, `write, write, exit_group` is an anomaly at the second
 * write and at exit_group, and at nothing before.
 */
#include <unistd.h>

int main(int argc, char **argv)
{
	(void)argv;
	if (write(STDOUT_FILENO, "one\n", 4) != 4)
		return 1;
	while (--argc)
		if (write(STDOUT_FILENO, "two\n", 4) != 4)
			return 1;
	return 0;
}
