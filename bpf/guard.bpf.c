// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Deferral: a delay that is served before the call takes effect. The kernel asks its security
 * modules before it acts; there we send SIGSTOP and make the call fail with -ERESTARTNOINTR. On its
 * way out the kernel sees the signal, stops the process, and makes the very same call again when it
 * is continued. The program sees nothing but time passing.
 */
#include "kernel.h"
#include "guard.h"
#include "guard_table.h"
#include "response.h"
#include "task.h"
#include <bpf/bpf_tracing.h>

const __u8 guard_table[EBPH_CALL_MASK + 1] = {GUARD_TABLE};

#define BIT(guard) (1u << GUARD_##guard)

__hidden __u32 guard_of(__u32 call)
{
	return guard_table[call & EBPH_CALL_MASK];
}

#define PIDFD_SIGNAL_PROCESS_GROUP 4 /* include/uapi/linux/pidfd.h, since 6.9 */

/* Operations of ia32's ipc(): include/uapi/linux/ipc.h. The upper half is a version. */
#define IPC_GUARDED                                                                                \
	(1u << 1 /* SEMOP */ | 1u << 4 /* SEMTIMEDOP */ | 1u << 11 /* MSGSND */ |                  \
	 1u << 14 /* MSGCTL */ | 1u << 21 /* SHMAT */ | 1u << 24 /* SHMCTL */)

/*
 * Do the arguments of the current thread's @call say that it does not wait at its guard? Of several
 * receivers of a signal some would have it already, and get it twice.
 */
static inline int is_unguarded(struct task_struct *task, __u32 call)
{
	struct pt_regs *regs = user_regs(task);
	__u32 operation;

	switch (call) {
	case EBPH_CALL_KILL:
		return (int)regs->di <= 0;
	case EBPH_CALL_IA32_KILL:
		return (int)regs->bx <= 0;
	case EBPH_CALL_PIDFD_SEND_SIGNAL:
		return (regs->r10 & PIDFD_SIGNAL_PROCESS_GROUP) != 0;
	case EBPH_CALL_IA32_PIDFD_SEND_SIGNAL:
		return (regs->si & PIDFD_SIGNAL_PROCESS_GROUP) != 0;
	case EBPH_CALL_IA32_IPC:
		operation = regs->bx & 0xffff;
		return operation > 31 || !(IPC_GUARDED & 1u << operation);
	}
	return 0;
}

__hidden __u32 guard_ahead(__u32 call)
{
	if (is_unguarded(bpf_get_current_task_btf(), call))
		return GUARD_NONE;
	return guard_table[call & EBPH_CALL_MASK];
}

/*
 * The end of the last delay that anybody has to serve before a call, CLOCK_MONOTONIC; the daemon
 * makes it 0 some time after. While it is 0, and it nearly always is, a guard costs nothing more.
 */
__u64 guards_until_ns;

__hidden void guards_arm(__u64 due_ns)
{
	__u64 seen = guards_until_ns;

	for (int i = 0; i < 4 && seen < due_ns; i++)
		seen = __sync_val_compare_and_swap(&guards_until_ns, seen, due_ns);
}

/*
 * The current thread is about to do what the guards @guards stand before. A hook is reached on the
 * way of other calls, too (execve reads a file): it defers only those that it belongs to.
 *
 * Return: the error that the call is to fail with, or 0.
 */
static __noinline int guard_awake(__u32 guards)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state;
	__u32 call;

	if (task->flags & PF_IO_WORKER)
		return 0; /* -ERESTARTNOINTR would reach the program */
	state = state_of(task);
	if (!state || !(state->flags & TASK_DELAYED))
		return 0;
	call = ebph_window_at(&state->window, 0);
	if (!(guards & (1u << guard_of(call))))
		return 0;
	return delay_serve(state, call, 1) ? -ERESTARTNOINTR : 0;
}

/* What is seldom needed is a function of its own, for whose registers nobody else has to care. */
static __always_inline int guard(__u32 guards)
{
	return guards_until_ns ? guard_awake(guards) : 0;
}

#define HOOK(hook, guards)                                                                         \
	SEC("?fmod_ret/security_" #hook)                                                           \
	int BPF_PROG(ebph_g_##hook)                                                                \
	{                                                                                          \
		return guard(guards);                                                              \
	}

/* clang-format off */
HOOK(file_permission, BIT(RW))
HOOK(inode_create, BIT(OPEN) | BIT(NAME)) /* mknod of a regular file */
HOOK(inode_unlink, BIT(NAME))
HOOK(inode_rmdir, BIT(NAME))
HOOK(inode_mkdir, BIT(NAME))
HOOK(inode_mknod, BIT(NAME))
HOOK(inode_symlink, BIT(NAME))
HOOK(inode_link, BIT(NAME))
HOOK(inode_rename, BIT(NAME))
HOOK(inode_setattr, BIT(ATTR))
HOOK(inode_setxattr, BIT(ATTR))
HOOK(inode_removexattr, BIT(ATTR))
HOOK(socket_create, BIT(SOCKET))
HOOK(socket_bind, BIT(SOCKET))
HOOK(socket_connect, BIT(SOCKET))
HOOK(socket_listen, BIT(SOCKET))
HOOK(socket_accept, BIT(SOCKET))
HOOK(socket_sendmsg, BIT(SOCKET))
HOOK(socket_recvmsg, BIT(SOCKET))
HOOK(socket_setsockopt, BIT(SOCKET))
HOOK(socket_shutdown, BIT(SOCKET))
HOOK(mmap_file, BIT(MAP))
HOOK(file_mprotect, BIT(MAP))
HOOK(file_ioctl, BIT(FD))
HOOK(file_ioctl_compat, BIT(FD)) /* of 32 bits; since 6.8, and in later 6.1s */
HOOK(file_fcntl, BIT(FD))
HOOK(file_lock, BIT(FD))
HOOK(bprm_check, BIT(EXEC))
HOOK(task_fix_setuid, BIT(CRED))
HOOK(task_fix_setgid, BIT(CRED))
HOOK(task_fix_setgroups, BIT(CRED))
HOOK(capset, BIT(CRED))
HOOK(ptrace_access_check, BIT(TASK))
HOOK(task_prlimit, BIT(TASK))
HOOK(task_setrlimit, BIT(TASK))
HOOK(sb_mount, BIT(MOUNT))
HOOK(sb_umount, BIT(MOUNT))
HOOK(sb_pivotroot, BIT(MOUNT))
HOOK(move_mount, BIT(MOUNT))
HOOK(path_chroot, BIT(MOUNT))
HOOK(kernel_load_data, BIT(KERNEL))
HOOK(kernel_read_file, BIT(KERNEL))
HOOK(bpf, BIT(KERNEL))
HOOK(perf_event_open, BIT(KERNEL))
HOOK(settime64, BIT(KERNEL))
HOOK(syslog, BIT(KERNEL))
HOOK(task_alloc, BIT(FORK))
HOOK(shm_shmat, BIT(IPC))
HOOK(msg_queue_msgsnd, BIT(IPC))
HOOK(msg_queue_msgctl, BIT(IPC))
HOOK(shm_shmctl, BIT(IPC))
HOOK(sem_semop, BIT(IPC))
/* clang-format on */

#define FMODE_CREATED 0x100000u /* include/linux/fs.h: this open has just made the file */

/* A file that this call has made would be in its own way when the call is made again. */
SEC("?fmod_ret/security_file_open")
int BPF_PROG(ebph_g_file_open, struct file *file)
{
	return file->f_mode & FMODE_CREATED ? 0 : guard(BIT(OPEN));
}

SEC("?fmod_ret/security_task_kill")
int BPF_PROG(ebph_g_task_kill)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!guards_until_ns || is_unguarded(task, call_of(task)))
		return 0;
	return guard(BIT(TASK));
}
