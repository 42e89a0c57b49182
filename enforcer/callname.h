/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Call ids in words. */
#ifndef EBPH_CALLNAME_H
#define EBPH_CALLNAME_H

#include <stdint.h>

#define CALLNAME_TABLE_SIZE 1024 /* native and ia32 */
#define CALLNAME_MAX	    48	 /* bytes for any name */

/* By call id; NULL where the kernel headers have no name. Made by scripts/callnames. */
extern const char *const callname_table[CALLNAME_TABLE_SIZE];

/**
 * callname() - the name of a call: "write", "ia32:write", "call 467" where there is none.
 * @id:	    call id
 * @buffer: where a name that is in no table is put together
 *
 * Return: the name; static, or in @buffer.
 */
const char *callname(uint32_t id, char buffer[static CALLNAME_MAX]);

#endif
