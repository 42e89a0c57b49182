// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ebpH's design of 2020, reconstructed: written afresh from its thesis and its published program,
 * to be measured beside ours. It is not ebpH. A hash finds the state of a thread by its pid,
 * another the profile by its executable; a profile has a byte for every two of 450 calls, once for
 * what is trained and once for what is tested; sys_enter only keeps the stack of sequences,
 * sys_exit does the work. Where the original does a thing twice, or only to please the verifier of
 * its time, this one does not: it costs less than the original would.
 */
#include "kernel.h"
#include <linux/bpf.h>
#include <asm/unistd.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define CALLS	      450
#define LENGTH	      9 /* calls in a sequence */
#define DEPTH	      4 /* sequences: one for each signal handler within another */
#define EMPTY	      9999
#define FRAME	      128 /* calls of which it is known which were anomalous */
#define MAX_PROFILES  10240
#define MAX_PROCESSES 10240
#define WEEK_NS	      (7 * 24 * 3600 * 1000000000ull)
#define NORMAL_FACTOR 128 /* over NORMAL_OF: so many times as often as it learned it was known */
#define NORMAL_OF     32

/* include/linux/errno.h: the call will be made again. */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

struct data {
	__u8 flags[CALLS * CALLS];
	__u64 last_mod_count, train_count, sequences;
};

struct profile {
	__u8 frozen, normal;
	__u64 key, normal_time, anomalies, count;
	struct data train, test;
	char comm[16];
};

struct sequence {
	__u64 calls[LENGTH];
};

struct process {
	__u64 profile_key;
	__u32 pid, tid;
	__u8 frame[FRAME];
	__u32 frame_at, frame_sum, frame_most;
	__u32 top, should_pop;
	struct sequence stack[DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PROFILES);
	__type(key, __u64);
	__type(value, struct profile);
} profiles SEC(".maps");

/* What new ones are copies of. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct profile);
} profile_init SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct process);
} process_init SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} is_monitoring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__type(key, __u8);
	__type(value, __u64);
} stats SEC(".maps"); /* at 0: calls */

static inline int monitors(void)
{
	__u32 zero = 0, *on = bpf_map_lookup_elem(&is_monitoring, &zero);

	return on && *on;
}

static inline struct process *process_here(void)
{
	__u32 pid = (__u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&processes, &pid);
}

/* A sequence of the stack; the mask is for the verifier, which loses the comparison. */
static inline struct sequence *sequence_at(struct process *process, __u64 top)
{
	if (top >= DEPTH)
		return NULL;
	__asm__("" : "+r"(top));
	return &process->stack[top & (DEPTH - 1)];
}

static inline void sequence_clear(struct sequence *sequence)
{
#pragma unroll
	for (__u32 i = 0; i < LENGTH; i++)
		sequence->calls[i] = EMPTY;
}

/* Where in the flags of a profile a pair is; calls beyond the table are all one. */
static inline __u64 pair_index(__u64 call, __u64 before)
{
	__u64 index = call * CALLS + before;

	__asm__("" : "+r"(index)); /* 64 bits wide, and what is compared is what is used */
	return index < CALLS * CALLS ? index : 0;
}

static inline __u32 mismatches(const struct data *data, const struct sequence *sequence)
{
	__u32 n = 0;

#pragma unroll
	for (__u32 i = 1; i < LENGTH; i++) {
		__u64 before = sequence->calls[i];

		if (before != EMPTY &&
		    !(data->flags[pair_index(sequence->calls[0], before)] & 1 << (i - 1)))
			n++;
	}
	return n;
}

static inline void sequence_learn(struct data *data, const struct sequence *sequence)
{
#pragma unroll
	for (__u32 i = 1; i < LENGTH; i++) {
		__u64 before = sequence->calls[i];

		if (before != EMPTY)
			data->flags[pair_index(sequence->calls[0], before)] |= 1 << (i - 1);
	}
}

static inline void train(struct profile *profile, const struct sequence *sequence)
{
	struct data *data = &profile->train;
	__u64 normal_count;

	__sync_fetch_and_add(&data->train_count, 1);
	if (mismatches(data, sequence)) {
		profile->frozen = 0;
		sequence_learn(data, sequence);
		__sync_fetch_and_add(&data->sequences, 1);
		data->last_mod_count = 0;
		return;
	}
	__sync_fetch_and_add(&data->last_mod_count, 1);
	if (profile->frozen)
		return;
	normal_count = data->train_count - data->last_mod_count;
	if (normal_count && data->train_count * NORMAL_OF > normal_count * NORMAL_FACTOR) {
		profile->frozen = 1;
		profile->normal_time = bpf_ktime_get_ns() + WEEK_NS;
	}
}

/* Whether the newest call was anomalous goes into the locality frame. */
static inline void frame_add(struct profile *profile, struct process *process, int anomalous)
{
	__u32 at = process->frame_at;

	if (at >= FRAME)
		return;
	if (anomalous) {
		__sync_fetch_and_add(&profile->anomalies, 1);
		process->frame_sum += !process->frame[at];
		if (process->frame_sum > process->frame_most)
			process->frame_most = process->frame_sum;
	} else if (process->frame[at]) {
		process->frame_sum--;
	}
	process->frame[at] = !!anomalous;
	process->frame_at = (at + 1) % FRAME;
}

static inline void call_process(struct process *process, struct profile *profile, __u64 call)
{
	struct sequence *sequence;
	__u64 *calls, now;
	__u8 key = 0;

	calls = bpf_map_lookup_elem(&stats, &key);
	sequence = sequence_at(process, process->top);
	if (!calls || !sequence)
		return;
	__sync_fetch_and_add(calls, 1);
	__sync_fetch_and_add(&profile->count, 1);
#pragma unroll
	for (__u32 i = LENGTH - 1; i > 0; i--)
		sequence->calls[i] = sequence->calls[i - 1];
	sequence->calls[0] = call;
	train(profile, sequence);
	now = bpf_ktime_get_ns();
	if (profile->frozen && now > profile->normal_time && !profile->normal)
		profile->normal = 1; /* in a week: no measurement gets here */
	frame_add(profile, process, profile->normal && mismatches(&profile->test, sequence));
}

struct enter_context {
	__u64 common;
	__s64 id;
};

SEC("tp/raw_syscalls/sys_enter")
int again_sys_enter(struct enter_context *context)
{
	struct process *process;

	if (!monitors() || context->id < 0)
		return 0;
	process = process_here();
	if (!process)
		return 0;
	if (process->should_pop) {
		process->should_pop = 0;
		if (process->top)
			process->top--;
	}
	if (context->id == __NR_rt_sigreturn)
		process->should_pop = 1;
	return 0;
}

struct exit_context {
	__u64 common;
	__s64 id, ret;
};

SEC("tp/raw_syscalls/sys_exit")
int again_sys_exit(struct exit_context *context)
{
	struct process *process;
	struct profile *profile;
	__s64 ret = context->ret;

	if (!monitors() || context->id < 0)
		return 0;
	process = process_here();
	if (!process)
		return 0;
	profile = bpf_map_lookup_elem(&profiles, &process->profile_key);
	if (profile && ret != -ERESTARTSYS && ret != -ERESTARTNOHAND && ret != -ERESTARTNOINTR &&
	    ret != -ERESTART_RESTARTBLOCK)
		call_process(process, profile, context->id);
	return 0;
}

/* A thread with no calls behind it. Return: NULL when there is no room. */
static inline struct process *process_make(__u32 tid, __u32 pid)
{
	__u32 zero = 0;
	struct process *process = bpf_map_lookup_elem(&process_init, &zero);

	if (process)
		bpf_map_update_elem(&processes, &tid, process, BPF_ANY);
	process = bpf_map_lookup_elem(&processes, &tid);
	if (!process)
		return NULL;
	process->pid = pid;
	process->tid = tid;
#pragma unroll
	for (__u32 i = 0; i < DEPTH; i++)
		sequence_clear(&process->stack[i]);
	return process;
}

/* The profile of an executable, a new one if need be. Return: NULL when there is no room. */
static inline struct profile *profile_of(__u64 key)
{
	struct profile *profile = bpf_map_lookup_elem(&profiles, &key);
	__u32 zero = 0;

	if (profile)
		return profile;
	profile = bpf_map_lookup_elem(&profile_init, &zero);
	if (profile)
		bpf_map_update_elem(&profiles, &key, profile, BPF_NOEXIST);
	profile = bpf_map_lookup_elem(&profiles, &key);
	if (!profile)
		return NULL;
	profile->key = key;
	bpf_get_current_comm(profile->comm, sizeof(profile->comm));
	return profile;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(again_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 tid = parent->pid;
	struct process *process = process_make(child->pid, child->tgid);
	struct process *from = bpf_map_lookup_elem(&processes, &tid);

	if (!process || !from)
		return 0;
	__builtin_memcpy(process->stack, from->stack, sizeof(process->stack));
	process->profile_key = from->profile_key;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(again_exec, struct task_struct *task, int old_pid, struct linux_binprm *program)
{
	struct process *process = process_here();
	struct inode *inode = program->file->f_inode;
	__u64 key = inode->i_ino | (__u64)inode->i_sb->s_dev << 32;

	if (!process || !profile_of(key))
		return 0;
#pragma unroll
	for (__u32 i = 0; i < DEPTH; i++)
		sequence_clear(&process->stack[i]);
	process->top = process->should_pop = 0;
	process->profile_key = key;
	return 0;
}

/* The original knows nobody who ran before it came: who measures is put in. Return: 0 if not. */
SEC("syscall")
int again_follow(void *context)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct process *process = process_make((__u32)id, id >> 32);

	if (!process || !profile_of(1))
		return 0;
	process->profile_key = 1;
	return 1;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(again_exit, struct task_struct *task)
{
	__u32 pid = (__u32)bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&processes, &pid);
	return 0;
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(again_signal, int number, struct kernel_siginfo *info, struct k_sigaction *action)
{
	struct process *process = process_here();
	struct sequence *sequence;

	if (!process || (unsigned long)action->sa.sa_handler <= 1)
		return 0;
	sequence = sequence_at(process, process->top + 1);
	if (!sequence)
		return 0;
	process->top++;
	sequence_clear(sequence);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
