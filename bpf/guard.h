/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which guard stands before the effect of which call: guards.tab. Pure C. */
#ifndef EBPH_GUARD_H
#define EBPH_GUARD_H

#include "callid.h"

enum ebph_guard {
	GUARD_NONE, /* no effect outside the process, or none that could be kept from happening */
	GUARD_RW,
	GUARD_OPEN,
	GUARD_NAME,
	GUARD_ATTR,
	GUARD_SOCKET,
	GUARD_MAP,
	GUARD_FD,
	GUARD_EXEC,
	GUARD_CRED,
	GUARD_TASK,
	GUARD_MOUNT,
	GUARD_KERNEL,
	GUARD_FORK,
	GUARD_IPC,
	/* None, and it must not be stopped: it would fail with EINTR. The next call waits. */
	GUARD_LATER,
};

#endif
