/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of options: text to field, field to text. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"

#define DURATION_UNITS "ns, us, ms, s, min, h, d"

struct unit {
	const char *name;
	uint64_t factor;
};

/* What is a whole number and a unit. */
struct quantity {
	const char *name;	  /* "a duration" */
	const char *zero;	  /* how nothing is written */
	const char *wrong;	  /* what to say of a text without a number, */
	const char *no_unit;	  /* of a number other than 0 without a unit; unless one is "", */
	const char *unknown_unit; /* with one that is not below */
	/* From the greatest to 1, then NULL: it is written in the greatest that divides it. */
	struct unit units[8];
};

static const struct quantity duration = {
	.name = "a duration",
	.zero = "0s",
	.wrong = "is not a duration",
	.no_unit = "has no unit, give one of " DURATION_UNITS,
	.unknown_unit = "has an unknown unit, give one of " DURATION_UNITS,
	.units = {{"d", UINT64_C(86400000000000)},
		  {"h", UINT64_C(3600000000000)},
		  {"min", UINT64_C(60000000000)},
		  {"s", UINT64_C(1000000000)},
		  {"ms", UINT64_C(1000000)},
		  {"us", UINT64_C(1000)},
		  {"ns", UINT64_C(1)}},
};

static const struct quantity size_in_bytes = {
	.name = "a size",
	.zero = "0",
	.wrong = "is not a size",
	.unknown_unit = "has an unknown unit, give one of K, M, G, or none for bytes",
	.units = {{"G", UINT64_C(1) << 30},
		  {"M", UINT64_C(1) << 20},
		  {"K", UINT64_C(1) << 10},
		  {"", UINT64_C(1)}},
};

enum { QUANTITY_TEXT_MAX = 32 };

static const void *const_field(const struct conf_option *option, const void *record)
{
	const bool is_binary = !strcmp(option->section, CONF_SECTION_BINARY);

	return (const char *)record + option->offset -
	       (is_binary ? offsetof(struct conf, binary) : 0);
}

static void *field(const struct conf_option *option, void *record)
{
	return (void *)const_field(option, record);
}

static void quantity_format(const struct quantity *quantity, uint64_t value,
			    char ret_text[static QUANTITY_TEXT_MAX])
{
	const struct unit *unit = quantity->units;

	if (!value) {
		snprintf(ret_text, QUANTITY_TEXT_MAX, "%s", quantity->zero);
		return;
	}
	while (value % unit->factor)
		unit++;
	snprintf(ret_text, QUANTITY_TEXT_MAX, "%" PRIu64 "%s", value / unit->factor, unit->name);
}

static void quantity_print(const struct quantity *quantity, uint64_t value, FILE *out)
{
	char text[QUANTITY_TEXT_MAX];

	quantity_format(quantity, value, text);
	fputs(text, out);
}

static void quantity_expected(const struct quantity *quantity, const struct conf_option *option,
			      char *ret_text, size_t size)
{
	char least[QUANTITY_TEXT_MAX], greatest[QUANTITY_TEXT_MAX];

	quantity_format(quantity, option->min, least);
	quantity_format(quantity, option->max, greatest);
	snprintf(ret_text, size, "%s from %s to %s", quantity->name, least, greatest);
}

void conf_option_expected(const struct conf_option *option, char *ret_text, size_t size)
{
	size_t used;

	switch (option->type) {
	case CONF_TYPE_BOOL:
		snprintf(ret_text, size, "yes or no");
		break;
	case CONF_TYPE_COUNT32:
	case CONF_TYPE_COUNT64:
		snprintf(ret_text, size, "a number from %" PRIu64 " to %" PRIu64, option->min,
			 option->max);
		break;
	case CONF_TYPE_DURATION:
		quantity_expected(&duration, option, ret_text, size);
		break;
	case CONF_TYPE_SIZE:
		quantity_expected(&size_in_bytes, option, ret_text, size);
		break;
	case CONF_TYPE_ENUM:
		snprintf(ret_text, size, "one of");
		for (size_t i = 0; option->names[i] && i <= option->max; i++) {
			used = strlen(ret_text);
			snprintf(ret_text + used, size - used, "%s %s", i ? "," : "",
				 option->names[i]);
		}
		break;
	case CONF_TYPE_PATH:
		snprintf(ret_text, size, "an absolute path of at most %" PRIu64 " bytes%s",
			 option->max, option->min ? "" : ", or nothing");
		break;
	case CONF_TYPE_PATHS:
		snprintf(ret_text, size, "absolute paths or globs, with blanks between them");
		break;
	case CONF_TYPE_CALLS:
		snprintf(ret_text, size, "names of system calls, with blanks between them");
		break;
	case CONF_TYPE_USERS:
		snprintf(ret_text, size, "names or numbers of users, with blanks between them");
		break;
	case CONF_TYPE_GROUPS:
		snprintf(ret_text, size, "names or numbers of groups, with blanks between them");
		break;
	case CONF_TYPE_CGROUPS:
		snprintf(ret_text, size,
			 "paths or globs of cgroups, or systemd units, with blanks between them");
		break;
	}
}

int conf_option_refuse(const struct conf_option *option, const char *text, const char *wrong,
		       struct conf_reason *ret_reason)
{
	char expected[CONF_REASON_MAX / 2];

	conf_option_expected(option, expected, sizeof(expected));
	ret_reason->at = 0;
	if (!*text)
		snprintf(ret_reason->text, CONF_REASON_MAX, "no value; expected %s", expected);
	else
		snprintf(ret_reason->text, CONF_REASON_MAX, "'%.200s' %s; expected %s", text, wrong,
			 expected);
	return -EINVAL;
}

/*
 * Read a whole number from the digits at the start of the text: no sign, no space.
 * Returns the rest, or NULL if there is no digit. A number that does not fit is UINT64_MAX,
 * which is out of the range of every option.
 */
static const char *number_parse(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *c = text;

	for (; *c >= '0' && *c <= '9'; c++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *c - '0', &number))
			number = UINT64_MAX;
	if (c == text)
		return NULL;
	*ret_number = number;
	return c;
}

static const char *range_check(const struct conf_option *option, uint64_t value)
{
	if (value < option->min)
		return "is too small";
	if (value > option->max)
		return "is too large";
	return NULL;
}

/* The parsers of single types return what is wrong, or NULL. */

static const char *count_parse(const struct conf_option *option, const char *text,
			       uint64_t *ret_count)
{
	uint64_t count;
	const char *rest = number_parse(text, &count), *wrong;

	if (!rest || *rest)
		return "is not a whole number";
	wrong = range_check(option, count);
	if (!wrong)
		*ret_count = count;
	return wrong;
}

static const struct unit *unit_find(const struct quantity *quantity, const char *name)
{
	for (const struct unit *unit = quantity->units; unit->name; unit++)
		if (!strcmp(unit->name, name))
			return unit;
	return NULL;
}

static const char *quantity_parse(const struct quantity *quantity, const struct conf_option *option,
				  const char *text, uint64_t *ret_value)
{
	uint64_t value;
	const char *rest = number_parse(text, &value), *wrong;
	const struct unit *unit;

	if (!rest)
		return quantity->wrong;
	if (*rest == '.' || *rest == ',')
		return "has a fraction, write whole numbers with a smaller unit";
	unit = unit_find(quantity, rest);
	if (!unit && *rest)
		return quantity->unknown_unit;
	if (!unit && value)
		return quantity->no_unit;
	if (unit && __builtin_mul_overflow(value, unit->factor, &value))
		value = UINT64_MAX;
	wrong = range_check(option, value);
	if (!wrong)
		*ret_value = value;
	return wrong;
}

static const char *bool_parse(const char *text, bool *ret_bool)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return "is neither";
	*ret_bool = !strcmp(text, "yes");
	return NULL;
}

static const char *enum_parse(const struct conf_option *option, const char *text,
			      unsigned int *ret_index)
{
	for (unsigned int i = 0; option->names[i] && i <= option->max; i++) {
		if (strcmp(text, option->names[i]) != 0)
			continue;
		*ret_index = i;
		return NULL;
	}
	return "is unknown";
}

static const char *path_check(const struct conf_option *option, const char *text)
{
	if (!*text)
		return option->min ? "is empty" : NULL;
	if (*text != '/')
		return "does not begin with '/'";
	if (strlen(text) > option->max)
		return "is too long";
	return NULL;
}

static int path_set(char **path, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*path);
	*path = copy;
	return 0;
}

int conf_option_set(const struct conf_option *option, void *record, const char *text,
		    struct conf_reason *ret_reason)
{
	void *to = field(option, record);
	const char *wrong = NULL;
	uint64_t count;

	switch (option->type) {
	case CONF_TYPE_BOOL:
		wrong = bool_parse(text, to);
		break;
	case CONF_TYPE_COUNT32:
		wrong = count_parse(option, text, &count);
		if (!wrong)
			*(uint32_t *)to = (uint32_t)count;
		break;
	case CONF_TYPE_COUNT64:
		wrong = count_parse(option, text, to);
		break;
	case CONF_TYPE_DURATION:
		wrong = quantity_parse(&duration, option, text, to);
		break;
	case CONF_TYPE_SIZE:
		wrong = quantity_parse(&size_in_bytes, option, text, to);
		break;
	case CONF_TYPE_ENUM:
		wrong = enum_parse(option, text, to);
		break;
	case CONF_TYPE_PATH:
		wrong = path_check(option, text);
		if (!wrong)
			return path_set(to, text);
		break;
	case CONF_TYPE_PATHS:
	case CONF_TYPE_CALLS:
	case CONF_TYPE_USERS:
	case CONF_TYPE_GROUPS:
	case CONF_TYPE_CGROUPS:
		return conf_list_add(option, to, text, ret_reason);
	}
	return wrong ? conf_option_refuse(option, text, wrong, ret_reason) : 0;
}

static void list_print(const struct conf_list *list, FILE *out)
{
	for (size_t i = 0; i < list->n; i++)
		fprintf(out, "%s%s", i ? " " : "", list->words[i].text);
}

bool conf_option_is_empty(const struct conf_option *option, const void *record)
{
	if (conf_type_is_list(option->type))
		return !((const struct conf_list *)const_field(option, record))->n;
	return option->type == CONF_TYPE_PATH && !**(char *const *)const_field(option, record);
}

struct conf_list *conf_option_list(const struct conf_option *option, void *record)
{
	return field(option, record);
}

void conf_option_clear(const struct conf_option *option, void *record)
{
	if (conf_type_is_list(option->type)) {
		conf_list_clear(field(option, record));
	} else if (option->type == CONF_TYPE_PATH) {
		free(*(char **)field(option, record));
		*(char **)field(option, record) = NULL;
	}
}

void conf_option_print(const struct conf_option *option, const void *record, FILE *out)
{
	const void *from = const_field(option, record);

	switch (option->type) {
	case CONF_TYPE_BOOL:
		fputs(*(const bool *)from ? "yes" : "no", out);
		break;
	case CONF_TYPE_COUNT32:
		fprintf(out, "%" PRIu32, *(const uint32_t *)from);
		break;
	case CONF_TYPE_COUNT64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)from);
		break;
	case CONF_TYPE_DURATION:
		quantity_print(&duration, *(const uint64_t *)from, out);
		break;
	case CONF_TYPE_SIZE:
		quantity_print(&size_in_bytes, *(const uint64_t *)from, out);
		break;
	case CONF_TYPE_ENUM:
		fputs(option->names[*(const unsigned int *)from], out);
		break;
	case CONF_TYPE_PATH:
		fputs(*(char *const *)from, out);
		break;
	case CONF_TYPE_PATHS:
	case CONF_TYPE_CALLS:
	case CONF_TYPE_USERS:
	case CONF_TYPE_GROUPS:
	case CONF_TYPE_CGROUPS:
		list_print(from, out);
		break;
	}
}

static size_t field_size(enum conf_type type)
{
	switch (type) {
	case CONF_TYPE_BOOL:
		return sizeof(bool);
	case CONF_TYPE_COUNT32:
		return sizeof(uint32_t);
	case CONF_TYPE_COUNT64:
	case CONF_TYPE_DURATION:
	case CONF_TYPE_SIZE:
		return sizeof(uint64_t);
	case CONF_TYPE_ENUM:
		return sizeof(unsigned int);
	case CONF_TYPE_PATH:
		return sizeof(char *);
	default:
		return sizeof(struct conf_list);
	}
}

void conf_option_borrow(const struct conf_option *to_option, void *to,
			const struct conf_option *from_option, const void *from)
{
	memcpy(field(to_option, to), const_field(from_option, from), field_size(to_option->type));
}

void conf_option_swap(const struct conf_option *option, void *a, void *b)
{
	char kept[sizeof(struct conf_list)];
	const size_t size = field_size(option->type);

	memcpy(kept, field(option, a), size);
	memcpy(field(option, a), field(option, b), size);
	memcpy(field(option, b), kept, size);
}
