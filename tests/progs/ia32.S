# SPDX-License-Identifier: GPL-2.0-or-later
#
# A 32-bit program without a C library, so that no multilib compiler is needed: calls through
# int $0x80, handlers that end by sigreturn and by rt_sigreturn, a read that is made again after a
# handler, fork, a number that no table has, and calls as a 64-bit program.

	.set	EXIT, 1
	.set	FORK, 2
	.set	READ, 3
	.set	WRITE, 4
	.set	WAITPID, 7
	.set	EXECVE, 11
	.set	GETPID, 20
	.set	KILL, 37
	.set	PIPE, 42
	.set	SIGNAL, 48
	.set	SIGACTION, 67
	.set	SETITIMER, 104
	.set	SIGRETURN, 119
	.set	RT_SIGRETURN, 173
	.set	RT_SIGACTION, 174
	.set	GETUID32, 199
	.set	NOTHING, 600
	.set	GETPID_64, 39
	.set	GETPPID_64, 110

	.set	SIGUSR1, 10
	.set	SIGUSR2, 12
	.set	SIGALRM, 14

	.macro	syscall32 nr, b=%ebx, c=%ecx, d=%edx, s=%esi
	.ifnc	\b, %ebx
	mov	\b, %ebx
	.endif
	.ifnc	\c, %ecx
	mov	\c, %ecx
	.endif
	.ifnc	\d, %edx
	mov	\d, %edx
	.endif
	.ifnc	\s, %esi
	mov	\s, %esi
	.endif
	mov	$\nr, %eax
	int	$0x80
	.endm

	.data
ends:	.long	0, 0
byte:	.byte	'x'
	.balign	4
soon:	.long	0, 0, 0, 50000		# once, after 50 ms
	# handler, mask, flags, restorer; for rt_sigaction with the mask (8 bytes) at the end
old:	.long	on_signal, 0, 0x04000000, old_return			# SA_RESTORER
new:	.long	on_alarm, 0x14000004, new_return, 0, 0	# and SA_RESTART, SA_SIGINFO
no_file: .asciz	"/nonexistent"

	.text
	.globl	_start
_start:
	syscall32 GETPID
	mov	%eax, %ebp
	syscall32 SIGACTION, $SIGUSR1, $old, $0
	syscall32 KILL, %ebp, $SIGUSR1
	syscall32 GETUID32
	syscall32 SIGNAL, $SIGUSR2, $on_once
	syscall32 KILL, %ebp, $SIGUSR2
	syscall32 NOTHING
	syscall32 EXECVE, $no_file, $0, $0
	syscall32 PIPE, $ends
	syscall32 RT_SIGACTION, $SIGALRM, $new, $0, $8
	syscall32 SETITIMER, $0, $soon, $0
	syscall32 READ, ends, $byte, $1
	syscall32 FORK
	test	%eax, %eax
	jz	child
	syscall32 WAITPID, $-1, $0, $0
	ljmp	$0x33, $long_mode	# __USER_CS: from here on it is a 64-bit program
child:
	syscall32 GETUID32
	syscall32 KILL, %ebp, $0
	syscall32 EXIT, $0

on_signal:
	syscall32 GETUID32
	ret
old_return:
	pop	%eax			# the signal's number: sigreturn wants it off the stack
	syscall32 SIGRETURN
on_alarm:
	syscall32 WRITE, ends+4, $byte, $1
	ret
new_return:
	syscall32 RT_SIGRETURN
on_once:				# by signal(): once, and back through the vdso
	syscall32 GETPID
	ret

	.code64
long_mode:
	mov	$GETPID_64, %eax
	syscall
	mov	$GETPPID_64, %eax
	syscall
	xor	%ebx, %ebx
	mov	$EXIT, %eax		# and one through the old door
	int	$0x80

	.section .note.GNU-stack, "", @progbits
