/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every kernel struct and field that the BPF side reads, declared by hand: CO-RE finds the real
 * offsets at load time. All reads are plain field accesses on typed pointers, which the kernel
 * allows even under lockdown=confidentiality (bpf_probe_read_kernel is refused there).
 *
 * A type with a ___suffix is the shape that it had in some kernel versions; libbpf cuts the
 * suffix off when it looks for the type.
 */
#ifndef EBPH_KERNEL_H
#define EBPH_KERNEL_H

#include <linux/types.h>
#include <stddef.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

/* Which file an executable is: struct ebph_exe. */
struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_generation;
	__s64 i_mtime_sec; /* since 6.11 (3aa63a569c64) */
	__u32 i_mtime_nsec;
};

struct inode___until_6_6 {
	struct timespec64 i_mtime;
};

struct inode___from_6_7_to_6_10 { /* 12cd44023651 */
	struct timespec64 __i_mtime;
};

struct file {
	struct inode *f_inode;
	unsigned int f_mode; /* FMODE_CREATED */
};

struct mm_struct {
	struct file *exe_file; /* identity of programs that run already when we come */
};

/* What execve has loaded. */
struct linux_binprm {
	struct file *file;  /* the program itself; for a script, its interpreter */
	unsigned long exec; /* user address of the path that execve was given */
};

struct thread_info {
	__u32 status; /* TS_COMPAT: the thread came in through a 32-bit door */
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live; /* threads that have not begun to exit; 0 when the last one does */
};

/* Whose heat counts for a thread. */
typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct task_struct {
	struct thread_info thread_info;
	const struct cred *real_cred;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	__u64 start_boottime; /* what /proc/PID/stat shows as starttime */
	int pid;
	int tgid;
	void *bpf_storage; /* NULL: no program keeps anything for it */
	struct signal_struct *signal;
	unsigned int flags;  /* PF_IO_WORKER */
	unsigned int ptrace; /* not 0: traced; a stop would confuse the tracer */
	/* The stack for signal handlers that sigaltstack() has set up: lowest address, bytes. */
	unsigned long sas_ss_sp;
	size_t sas_ss_size;
};

/* Signals: is a handler about to run? */
struct kernel_siginfo; /* named in a prototype, never read */
struct cred;	       /* likewise */

struct sigaction {
	void *sa_handler;
	unsigned long sa_flags; /* SA_RESTART, SA_ONSTACK */
};

struct k_sigaction {
	struct sigaction sa;
};

/* What the interrupted system call returned: will the kernel make it again? */
struct pt_regs {
	unsigned long ax;
	unsigned long orig_ax; /* -1: it was not a system call that was interrupted */
	/* Of a call of 64 bits: the first argument and the fourth; of 32 bits likewise. */
	unsigned long di, r10;
	unsigned long bx, si;
	unsigned long sp; /* user stack: which signal frame is live */
};

/* An operation that a thread has handed to io_uring. */
struct io_kiocb {
	__u8 opcode;
};

/* How large a pair set is, read off the inner map itself (5.8 and later: 41c48f3a9823). */
struct bpf_map {
	__u32 max_entries;
};

/* A walk over all threads: bpf/tasks.bpf.c. */
struct seq_file; /* handed to a helper, never read */

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task; /* NULL: after the last one */
};

#pragma clang attribute pop

/* include/uapi/asm-generic/signal-defs.h */
#define SA_ONSTACK   0x08000000ul
#define SA_RESTART   0x10000000ul

#define EPERM	     1
#define SIGCONT	     18
#define SIGKILL	     9
#define SIGSTOP	     19
#define SIGTSTP	     20

#define PF_EXITING   0x00000004u /* include/linux/sched.h: it has begun to exit */
#define PF_IO_WORKER 0x00000010u /* include/linux/sched.h: a thread of io_uring's */

/* What a call returns that is to be made again after a signal (include/linux/errno.h). */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

#define TS_COMPAT	      0x0002 /* arch/x86/include/asm/thread_info.h */

#endif
