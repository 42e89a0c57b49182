/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EBPH_TESTS_CONF_REPORT_H
#define EBPH_TESTS_CONF_REPORT_H

/* After cmocka.h. */
#include "../../conf/conf.h"

/* Parse text as if it were a file named f, and return what is printed about it. */
static inline char *report(const char *text, size_t len, int *ret_err, struct conf **ret_conf)
{
	struct conf_diag diag = {0};
	char *printed = NULL;
	size_t size;
	FILE *out;

	*ret_err = conf_parse("f", text, len, ret_conf, &diag);
	out = open_memstream(&printed, &size);
	assert_non_null(out);
	conf_diag_print(&diag, out);
	fclose(out);
	conf_diag_clear(&diag);
	return printed;
}

/* Parse text that is fine but for these warnings; the result is to be freed. */
static inline struct conf *taken(const char *text, const char *warnings)
{
	struct conf *conf = NULL;
	int err;
	char *printed = report(text, strlen(text), &err, &conf);

	assert_string_equal(printed, warnings);
	assert_int_equal(err, 0);
	assert_non_null(conf);
	free(printed);
	return conf;
}

#endif
