/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf-example: writes ebph.conf.example from the option table to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "conf.h"

int main(void)
{
	conf_write_example(stdout);
	if (fflush(stdout) || ferror(stdout)) {
		perror("conf-example: standard output");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
