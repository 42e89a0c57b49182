/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Call ids in words. */
#ifndef EBPH_CALLNAME_H
#define EBPH_CALLNAME_H

#include <stdint.h>

#define CALLNAME_TABLE_SIZE 1536 /* native, ia32 and, with a gap before, io_uring */
#define CALLNAME_MAX	    48	 /* bytes for any name */

/* By call id; NULL where the kernel headers have no name. Made by scripts/callnames. */
extern const char *const callname_table[CALLNAME_TABLE_SIZE];

/**
 * callname() - the name of a call: "write", "ia32:write", "uring:openat"; "call 467", "uring:op 61"
 * where the kernel headers of the build had none.
 * @id:	    call id
 * @buffer: where a name that is in no table is put together
 *
 * Return: the name; static, or in @buffer.
 */
const char *callname(uint32_t id, char buffer[static CALLNAME_MAX]);

/**
 * callname_find() - the id of a call that the table has.
 * @name: as callname() writes it
 *
 * Return: 0; -ENOENT.
 */
int callname_find(const char *name, uint32_t *ret_id);

#endif
