// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/callname.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/callid.h"

const char *callname(uint32_t id, char buffer[static CALLNAME_MAX])
{
	if (id < CALLNAME_TABLE_SIZE && callname_table[id])
		return callname_table[id];
	if (id == EBPH_CALL_NONE)
		return "-";
	if (id == EBPH_CALL_POLLER)
		return "polling thread";
	if (id == EBPH_CALL_HANDLER)
		return "signal handler";
	if (id == EBPH_CALL_X32)
		return "x32";
	if (id == EBPH_CALL_INVALID)
		return "invalid";
	if (id >= EBPH_CALL_IA32 && id < EBPH_CALL_IA32 + EBPH_CALL_PER_ABI)
		snprintf(buffer, CALLNAME_MAX, "ia32:call %u", id - EBPH_CALL_IA32);
	else if (id >= EBPH_CALL_URING && id < EBPH_CALL_URING + EBPH_URING_OPS)
		snprintf(buffer, CALLNAME_MAX, "uring:op %u", id - EBPH_CALL_URING);
	else
		snprintf(buffer, CALLNAME_MAX, "call %u", id);
	return buffer;
}

/* The table's rows, by name; made at the first use. */
static const char *const *by_name[CALLNAME_TABLE_SIZE];
static size_t n_by_name;

static int names_compare(const void *a, const void *b)
{
	return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

static void by_name_make(void)
{
	for (size_t id = 0; id < CALLNAME_TABLE_SIZE; id++)
		if (callname_table[id])
			by_name[n_by_name++] = &callname_table[id];
	qsort(by_name, n_by_name, sizeof(*by_name), names_compare);
}

int callname_find(const char *name, uint32_t *ret_id)
{
	const char *const *key = &name, *const * *found;

	if (!n_by_name)
		by_name_make();
	found = bsearch(&key, by_name, n_by_name, sizeof(*by_name), names_compare);
	if (!found)
		return -ENOENT;
	*ret_id = (uint32_t)(*found - callname_table);
	return 0;
}
