// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers for gnuplot. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

FILE *plot_open(const struct bench *bench, const char *name)
{
	AUTO_FREE char *path = NULL;
	FILE *data;

	if (!bench->plots)
		return NULL;
	REQUIRE(!mkdir(bench->plots, 0755) || errno == EEXIST, "%s: %s", bench->plots,
		strerror(errno));
	REQUIRE(asprintf(&path, "%s/%s.dat", bench->plots, name) > 0, "no memory");
	data = fopen(path, "we");
	REQUIRE(data, "%s: %s", path, strerror(errno));
	return data;
}

void plot_line(FILE *data, const char *format, ...)
{
	va_list args;

	if (!data)
		return;
	va_start(args, format);
	vfprintf(data, format, args);
	va_end(args);
}

void plot_close(FILE *data)
{
	if (data)
		fclose(data);
}
