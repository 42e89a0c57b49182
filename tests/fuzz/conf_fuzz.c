/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer target: whatever the text of ebph.conf, it is either refused with a reason, or taken
 * and then dumped such that it is taken again with the same values.
 *
 * clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
 *	tests/fuzz/conf_fuzz.c conf/conf.c conf/diag.c conf/dump.c conf/option.c conf/parse.c \
 *	conf/value.c -linih -o build/conf-fuzz
 * build/conf-fuzz -dict=tests/fuzz/conf.dict -max_len=4096 CORPUS_DIRECTORY
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a check finds wrong stops the fuzzer here, in optimised builds too. */
static void require(bool holds)
{
	if (!holds)
		abort();
}

static char *dump(const struct conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	require(out != NULL);
	conf_dump(conf, false, out);
	require(fclose(out) == 0);
	return text;
}

/* Diagnostics point into the text and print without control characters. */
static void check_diagnostics(const struct conf_diag *diag)
{
	char *printed = NULL;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	require(out != NULL);
	conf_diag_print(diag, out);
	require(fclose(out) == 0);
	for (size_t i = 0; i < size; i++)
		require((unsigned char)printed[i] >= ' ' || strchr("\t\n", printed[i]));
	for (size_t i = 0; i < diag->n_items; i++)
		require(diag->items[i].line > 0 && diag->items[i].column > 0 &&
			diag->items[i].text && *diag->items[i].message);
	free(printed);
}

static void check_dump(const struct conf *conf)
{
	CONF_CLEANUP struct conf *again = NULL;
	struct conf_diag diag = {0};
	char *once = dump(conf), *twice;

	require(conf_parse("dump", once, strlen(once), &again, &diag) == 0);
	twice = dump(again);
	require(strcmp(once, twice) == 0);
	conf_diag_clear(&diag);
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CONF_CLEANUP struct conf *conf = NULL;
	struct conf_diag diag = {0};
	const int err = conf_parse("fuzz", (const char *)data, size, &conf, &diag);

	require(!err == !!conf);
	require(!err == !diag.n_errors);
	check_diagnostics(&diag);
	if (conf)
		check_dump(conf);
	conf_diag_clear(&diag);
	return 0;
}
