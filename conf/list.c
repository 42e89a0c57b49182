/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists: words with blanks between them, each checked by itself. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "enforcer/callname.h"
#include "option.h"

#define BLANKS " \t"

/* ---- paths and globs ----------------------------------------------------------------------- */

const char *conf_pattern_wrong(const char *text)
{
	const size_t len = strlen(text);

	if (*text != '/')
		return "does not begin with '/'";
	if (len > CONF_PATH_LEN_MAX)
		return "is too long";
	if (strstr(text, "//") || strstr(text, "/./") || strstr(text, "/../") ||
	    (len > 2 && !strcmp(text + len - 2, "/.")) ||
	    (len > 3 && !strcmp(text + len - 3, "/..")))
		return "has an empty part, or '.' or '..' as part";
	if (text[len - 1] == '/')
		return "ends in '/', give what is in there";
	if (text[len - 1] == '\\')
		return "ends in '\\', which takes its meaning from the next character";
	/* It would say no more than '*', to the surprise of whoever knows it from elsewhere. */
	if (strstr(text, "**"))
		return "has '**', give one '*' for each directory";
	return NULL;
}

void conf_word_classify(struct conf_word *word)
{
	const char *text = word->text;
	size_t n = 0;

	/* A '[' that nothing closes stands for itself: /usr/bin/[ is a program. */
	while (text[n] && !strchr("*?\\", text[n]) && !(text[n] == '[' && strchr(text + n, ']')))
		n++;
	word->is_glob = text[n] != '\0';
	word->n_literal = (uint16_t)n;
}

bool conf_word_matches(const struct conf_word *word, const char *path)
{
	if (!word->is_glob)
		return !strcmp(word->text, path) || (word->real && !strcmp(word->real, path));
	return !strncmp(word->text, path, word->n_literal) &&
	       !fnmatch(word->text, path, FNM_PATHNAME);
}

bool conf_list_matches(const struct conf_list *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++)
		if (conf_word_matches(&list->words[i], path))
			return true;
	return false;
}

bool conf_list_has_id(const struct conf_list *list, uint32_t id)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->words[i].id == id)
			return true;
	return false;
}

/* ---- words: what is wrong, or NULL ---------------------------------------------------------- */

static const char *call_read(struct conf_word *word)
{
	return callname_find(word->text, &word->id) ? "is no system call" : NULL;
}

/* A word that begins with a digit. */
static bool number_read(struct conf_word *word)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(word->text, &end, 10);
	if (*end || errno || number >= UINT32_MAX)
		return false;
	word->id = (uint32_t)number;
	return true;
}

static const char *user_read(struct conf_word *word)
{
	if (*word->text < '0' || *word->text > '9')
		return conf_user_find(word->text, &word->id) ? "is no user in /etc/passwd" : NULL;
	return number_read(word) ? NULL : "is no number of a user";
}

static const char *group_read(struct conf_word *word)
{
	if (*word->text < '0' || *word->text > '9')
		return conf_group_find(word->text, &word->id) ? "is no group in /etc/group" : NULL;
	return number_read(word) ? NULL : "is no number of a group";
}

static const char *path_read(struct conf_word *word)
{
	const char *wrong = conf_pattern_wrong(word->text);

	if (!wrong)
		conf_word_classify(word);
	return wrong;
}

static const char *cgroup_read(struct conf_word *word)
{
	static const char *const suffixes[] = {".service", ".scope", ".slice",
					       ".socket",  ".mount", ".swap"};
	const char *suffix = strrchr(word->text, '.');

	if (*word->text == '/')
		return path_read(word);
	if (strchr(word->text, '/') || strlen(word->text) > CONF_PATH_LEN_MAX)
		return "is neither an absolute path nor the name of a unit";
	for (size_t i = 0; suffix && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (suffix == word->text || strcmp(suffix, suffixes[i]) != 0)
			continue;
		conf_word_classify(word);
		return NULL;
	}
	return "is no unit that has a cgroup (NAME.service, NAME.slice, NAME.scope)";
}

static const char *word_read(const struct conf_option *option, struct conf_word *word)
{
	switch (option->type) {
	case CONF_TYPE_CALLS:
		return call_read(word);
	case CONF_TYPE_USERS:
		return user_read(word);
	case CONF_TYPE_GROUPS:
		return group_read(word);
	case CONF_TYPE_CGROUPS:
		return cgroup_read(word);
	default:
		return path_read(word);
	}
}

/* ---- lists --------------------------------------------------------------------------------- */

static void word_clear(struct conf_word *word)
{
	free(word->text);
	free(word->real);
}

void conf_list_clear(struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		word_clear(&list->words[i]);
	free(list->words);
	*list = (struct conf_list){0};
}

static bool has_text(const struct conf_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->words[i].text, text))
			return true;
	return false;
}

/* Takes the word. There is room for a power of two of words. */
static int word_add(struct conf_list *list, struct conf_word *word)
{
	struct conf_word *words = list->words;

	if (!(list->n & (list->n - 1))) {
		words = realloc(words, (list->n ? 2 * list->n : 1) * sizeof(*words));
		if (!words) {
			word_clear(word);
			return -ENOMEM;
		}
		list->words = words;
	}
	words[list->n++] = *word;
	return 0;
}

/* Cut the list to so many words. */
static void list_cut(struct conf_list *list, size_t n)
{
	while (list->n > n)
		word_clear(&list->words[--list->n]);
	if (!n)
		conf_list_clear(list);
}

static int text_add(const struct conf_option *option, struct conf_list *list, const char *text,
		    size_t len, struct conf_reason *ret_reason)
{
	struct conf_word word = {.text = strndup(text, len)};
	const char *wrong;

	if (!word.text)
		return -ENOMEM;
	wrong = word_read(option, &word);
	if (wrong)
		conf_option_refuse(option, word.text, wrong, ret_reason);
	if (wrong || has_text(list, word.text)) {
		word_clear(&word);
		return wrong ? -EINVAL : 0;
	}
	if (list->n == CONF_LIST_MAX) {
		word_clear(&word);
		return conf_option_refuse(option, text, "is too much: there are 4096 already",
					  ret_reason);
	}
	return word_add(list, &word);
}

int conf_list_add(const struct conf_option *option, struct conf_list *list, const char *text,
		  struct conf_reason *ret_reason)
{
	const size_t n_before = list->n;
	const char *at = text;
	int err;

	if (!*text)
		conf_list_clear(list);
	while (*(at += strspn(at, BLANKS))) {
		const size_t len = strcspn(at, BLANKS);

		err = text_add(option, list, at, len, ret_reason);
		if (err) {
			list_cut(list, n_before);
			ret_reason->at = (size_t)(at - text);
			return err;
		}
		at += len;
	}
	return 0;
}
