/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Call ids: one number space for the system calls of every ABI.
 *
 * A number alone says nothing: `int $0x80` getpid arrives at sys_enter as 20, which is writev
 * for a native caller. So each ABI has a range of its own. Pure C, for BPF and for user space.
 *
 *   0 ..  511  native x86-64
 * 512 .. 1023  ia32 (int $0x80, sysenter, 32-bit syscall), by TS_COMPAT of the thread
 *      1024    x32 (bit 30 set): one bucket; Debian and its kin refuse these calls at boot
 *      1025    invalid: a number that no table has
 * 1280 .. 1535  io_uring operations, which never come through sys_enter
 *      2045    poller: stands before the first operation that a polling thread of io_uring takes
 *      2046    handler: stands before the first call of a signal handler
 *      2047    none: before the first call of a program
 *
 * Ids fit in EBPH_CALL_BITS bits.
 */
#ifndef EBPH_CALLID_H
#define EBPH_CALLID_H

#include <linux/types.h>

/* Grows when an id comes to mean something else: profiles on disk are in terms of ids. */
#define EBPH_CALLID_VERSION 1

/* Where the ranges begin. */
#define EBPH_CALL_BITS	  11
#define EBPH_CALL_MASK	  0x7ffu
#define EBPH_CALL_PER_ABI 512u
#define EBPH_CALL_IA32	  512u
#define EBPH_CALL_X32	  1024u
#define EBPH_CALL_INVALID 1025u
#define EBPH_CALL_URING	  1280u
#define EBPH_URING_OPS	  256u /* an opcode is a byte */
#define EBPH_CALL_POLLER  2045u
#define EBPH_CALL_HANDLER 2046u
#define EBPH_CALL_NONE	  2047u

#define EBPH_X32_BIT	  0x40000000u /* __X32_SYSCALL_BIT, arch/x86/include/uapi/asm/unistd.h */

/* The calls that the enforcer itself must know (arch/x86/entry/syscalls/syscall_{64,32}.tbl). */
#define EBPH_CALL_RT_SIGRETURN		 15u
#define EBPH_CALL_EXECVE		 59u
#define EBPH_CALL_KILL			 62u
#define EBPH_CALL_EXIT			 60u
#define EBPH_CALL_RESTART		 219u /* restart_syscall: goes on with a sleep, after a signal */
#define EBPH_CALL_EXIT_GROUP		 231u
#define EBPH_CALL_EXECVEAT		 322u
#define EBPH_CALL_PIDFD_SEND_SIGNAL	 424u
#define EBPH_CALL_IA32_RESTART		 (EBPH_CALL_IA32 + 0)
#define EBPH_CALL_IA32_EXIT		 (EBPH_CALL_IA32 + 1)
#define EBPH_CALL_IA32_EXECVE		 (EBPH_CALL_IA32 + 11)
#define EBPH_CALL_IA32_KILL		 (EBPH_CALL_IA32 + 37)
#define EBPH_CALL_IA32_IPC		 (EBPH_CALL_IA32 + 117)
#define EBPH_CALL_IA32_SIGRETURN	 (EBPH_CALL_IA32 + 119)
#define EBPH_CALL_IA32_RT_SIGRETURN	 (EBPH_CALL_IA32 + 173)
#define EBPH_CALL_IA32_EXIT_GROUP	 (EBPH_CALL_IA32 + 252)
#define EBPH_CALL_IA32_EXECVEAT		 (EBPH_CALL_IA32 + 358)
#define EBPH_CALL_IA32_PIDFD_SEND_SIGNAL (EBPH_CALL_IA32 + EBPH_CALL_PIDFD_SEND_SIGNAL)

/**
 * ebph_call_id() - the call id of a system call.
 * @nr:	    the number as sys_enter reports it, any 64-bit value
 * @compat: not 0 when the thread entered through a 32-bit door (TS_COMPAT)
 *
 * Return: an id below EBPH_CALL_POLLER.
 */
static inline __u32 ebph_call_id(__u64 nr, __u32 compat)
{
	/*
	 * The kernel itself takes the number as an int (do_syscall_64(), do_int80_syscall_32()):
	 * what stands above 32 bits does not choose another call.
	 */
	__u32 n = (__u32)nr;

	if (n < EBPH_CALL_PER_ABI)
		return compat ? EBPH_CALL_IA32 + n : n;
	if (!compat && n != 0xffffffffu && (n & EBPH_X32_BIT))
		return EBPH_CALL_X32;
	return EBPH_CALL_INVALID;
}

/* The call id of an io_uring operation: IORING_OP_* of include/uapi/linux/io_uring.h. */
static inline __u32 ebph_call_uring(__u32 opcode)
{
	return EBPH_CALL_URING + (opcode & (EBPH_URING_OPS - 1));
}

/* Not 0 when @id is a call that replaces the program. */
static inline int ebph_call_is_exec(__u32 id)
{
	return id == EBPH_CALL_EXECVE || id == EBPH_CALL_EXECVEAT || id == EBPH_CALL_IA32_EXECVE ||
	       id == EBPH_CALL_IA32_EXECVEAT;
}

/* Not 0 when @id ends the whole process. */
static inline int ebph_call_is_exit_group(__u32 id)
{
	return id == EBPH_CALL_EXIT_GROUP || id == EBPH_CALL_IA32_EXIT_GROUP;
}

/* Not 0 when @id ends the thread: it never returns to user space, so it can not be stopped. */
static inline int ebph_call_is_exit(__u32 id)
{
	return id == EBPH_CALL_EXIT || id == EBPH_CALL_IA32_EXIT || ebph_call_is_exit_group(id);
}

/*
 * Not 0 when @id goes on with an interrupted call, at the kernel's own instance. Who makes it by
 * hand gets EINTR and nothing else, so it says nothing about a program.
 */
static inline int ebph_call_is_restart(__u32 id)
{
	return id == EBPH_CALL_RESTART || id == EBPH_CALL_IA32_RESTART;
}

/* Not 0 when @id ends a signal handler. */
static inline int ebph_call_is_sigreturn(__u32 id)
{
	return id == EBPH_CALL_RT_SIGRETURN || id == EBPH_CALL_IA32_SIGRETURN ||
	       id == EBPH_CALL_IA32_RT_SIGRETURN;
}

#endif
