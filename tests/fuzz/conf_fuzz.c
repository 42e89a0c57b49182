/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer target: whatever the text of ebph.conf and its drop-ins, it is either refused with a
 * reason, or taken and then dumped such that it is taken again with the same values; what holds for
 * a program is then the same, too, and nothing differs. Drop-ins follow after lines of "----".
 *
 * `make fuzz` builds and runs it, with tests/fuzz/conf.dict and the files of tests/fuzz/conf/.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../conf/parser.h"

enum { TEXTS_MAX = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a check finds wrong stops the fuzzer here, in optimised builds too. */
static void require(bool holds)
{
	if (!holds)
		abort();
}

static char *dump(const struct conf *conf, bool with_origins)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	require(out != NULL);
	conf_dump(conf, with_origins, out);
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

static void change_count(void *context, const char *line, bool at_start)
{
	(void)at_start;
	require(line[0] == '[');
	++*(size_t *)context;
}

static size_t n_changes(const struct conf *before, const struct conf *after)
{
	size_t n = 0;

	require(conf_diff(before, after, change_count, &n) == 0);
	return n;
}

/* What holds for a program is the same in both, and what a section sets holds for its own path. */
static void check_program(const struct conf *a, const struct conf *b, const char *path)
{
	const struct conf_binary *binary = conf_binary_find(a, path);
	struct conf_effective of_a, of_b;
	const struct conf_option *option;

	conf_for_path(a, path, &of_a);
	conf_for_path(b, path, &of_b);
	require(of_a.listed == of_b.listed);
	require(conf_list_matches(&a->allow.executables, path) ==
		conf_list_matches(&b->allow.executables, path));
	for (size_t i = 0; (option = conf_binary_option(i)); i++) {
		char *text_a = NULL, *text_b = NULL;
		size_t size;
		FILE *out = open_memstream(&text_a, &size);

		conf_option_print(option, &of_a.settings, out);
		fclose(out);
		out = open_memstream(&text_b, &size);
		conf_option_print(option, &of_b.settings, out);
		fclose(out);
		require(strcmp(text_a, text_b) == 0);
		require(!of_a.origins[i].line == !of_b.origins[i].line || !option->default_text);
		if (binary && !binary->path.is_glob && binary->origins[i].line)
			require(of_a.origins[i].line == binary->origins[i].line);
		free(text_a);
		free(text_b);
	}
}

static void check_programs(const struct conf *a, const struct conf *b)
{
	check_program(a, b, "/bin/a");
	check_program(a, b, "/usr/bin/python3");
	for (size_t i = 0; i < a->n_binaries; i++)
		check_program(a, b, a->binaries[i]->path.text);
}

/* Read the dump back: all is the same. */
static void check_dump(const struct conf *conf, bool asks_host, bool with_origins)
{
	CONF_CLEANUP struct conf *again = NULL;
	struct conf_diag diag = {0};
	struct conf_source source;
	char *once = dump(conf, with_origins), *plain = dump(conf, false), *twice;

	source = (struct conf_source){"dump", once, strlen(once)};
	require(conf_parse_sources(&source, 1, asks_host, &again, &diag) == 0);
	twice = dump(again, false);
	require(strcmp(plain, twice) == 0);
	require(n_changes(conf, again) == 0);
	check_programs(conf, again);
	conf_diag_clear(&diag);
	free(once);
	free(plain);
	free(twice);
}

/* From the defaults to it, and back; what takes a restart stays as it was. */
static void check_diff(struct conf *conf)
{
	CONF_CLEANUP struct conf *defaults = NULL;
	size_t n;

	require(conf_new_default(&defaults) == 0);
	n = n_changes(defaults, conf);
	require(!n == !n_changes(conf, defaults));
	conf_keep(conf, defaults, NULL, NULL);
	require(n_changes(defaults, conf) <= n);
	conf_exchange(conf, defaults);
	conf_set_mode(defaults, CONF_MODE_DRY_RUN);
	require(defaults->binary.mode == CONF_MODE_DRY_RUN);
	for (size_t i = 0; i < defaults->n_binaries; i++)
		require(defaults->binaries[i]->settings.mode != CONF_MODE_ENFORCE);
}

/* Cut the input into texts, at lines of "----". */
static size_t texts_cut(const char *data, size_t size, struct conf_source texts[static TEXTS_MAX])
{
	static const char mark[] = "\n----\n";
	static const char *const names[TEXTS_MAX] = {"a", "b", "c", "d"};
	size_t n = 0;

	for (;;) {
		const char *end = n + 1 < TEXTS_MAX ? memmem(data, size, mark, strlen(mark)) : NULL;
		const size_t len = end ? (size_t)(end - data) : size;

		texts[n] = (struct conf_source){names[n], data, len};
		n++;
		if (!end)
			return n;
		data += len + strlen(mark);
		size -= len + strlen(mark);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CONF_CLEANUP struct conf *conf = NULL;
	struct conf_source texts[TEXTS_MAX];
	struct conf_diag diag = {0};
	const size_t n = texts_cut((const char *)data, size, texts);
	/* By chance, but the same for the same input. */
	const bool asks_host = size % 2;
	const int err = conf_parse_sources(texts, n, asks_host, &conf, &diag);

	require(!err == !!conf);
	require(!err == !diag.n_errors);
	check_diagnostics(&diag);
	if (conf) {
		check_dump(conf, asks_host, false);
		check_dump(conf, asks_host, true);
		check_diff(conf);
	}
	conf_diag_clear(&diag);
	return 0;
}

/* ---- a host that stays the same: instead of conf/host.c -------------------------------------- */

int conf_user_find(const char *name, uint32_t *ret_uid)
{
	if (strcmp(name, "root") != 0)
		return -ENOENT;
	*ret_uid = 0;
	return 0;
}

int conf_group_find(const char *name, uint32_t *ret_gid)
{
	return conf_user_find(name, ret_gid);
}

/* Whatever begins with /bin lies in /usr/bin, whatever begins with /no does not exist. */
const char *conf_cgroup_root(void)
{
	return NULL;
}

char *conf_path_real(const char *path)
{
	char *real;

	if (!strncmp(path, "/no", 3))
		return NULL;
	if (strncmp(path, "/bin", 4) != 0)
		return strdup(path);
	return asprintf(&real, "/usr%s", path) < 0 ? NULL : real;
}
