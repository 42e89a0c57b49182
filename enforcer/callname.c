// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/callname.h"

#include <stdio.h>

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
