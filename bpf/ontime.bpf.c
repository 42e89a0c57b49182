// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Release on time by the kernel itself, where it has bpf_send_signal_task() (6.13, 6280cf718db0):
 * on a busy host even an ebphd that hangs delays nobody longer. ebphd has a timer of its own for
 * each delay; on an idle host, and on older kernels, it is the only one.
 *
 * An object of its own: one function of the kernel that is not what is declared here, in a version
 * to come, and no program of the object would load.
 */
#include "kernel.h"
#include "response.h"
#include <bpf/bpf_tracing.h>

#define CLOCK_MONOTONIC 1
#define TIMER_ABS	1	  /* include/uapi/linux/bpf.h: BPF_F_TIMER_ABS, since 6.3 */
#define RETRY_NS	10000000u /* 10 ms later it is tried again */

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID };

extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type,
				__u64 value) __ksym;

struct delayed_map delayed SEC(".maps"); /* in place of it, enforcer/ontime.c puts the real one */

struct release_timer {
	struct bpf_timer timer;
};

/* Of delayed processes by tgid. Apart from the records: programs at tracepoints may have no timer.
 */
struct release_timers_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct release_timer);
} release_timers SEC(".maps");

/*
 * The record first, as stray_continue() wants it, and back if the signal fails. It does wherever
 * the timer has not interrupted a user process (-EPERM, nmi_uaccess_okay() in
 * kernel/trace/bpf_trace.c), as on a processor that is idle. Two in a row may be too many:
 * since 6.14 an interrupt of the processor's own sends them, and has room for one (-EBUSY). So whom
 * a terminal has stopped is left to ebphd.
 *
 * Return: not 0 when the process is to be tried again.
 */
static int release(struct task_struct *task, struct ebph_delay *delay, __u64 due_ns)
{
	if (task->start_boottime != delay->start_ns || delay->foreign == SIGTSTP ||
	    __sync_val_compare_and_swap(&delay->due_ns, due_ns, EBPH_DUE_NOW) != due_ns)
		return 0;
	/* Whom somebody else has stopped, too, stays so. */
	if (delay->foreign == SIGSTOP || !bpf_send_signal_task(task, SIGCONT, PIDTYPE_TGID, 0)) {
		if (__sync_val_compare_and_swap(&delay->due_ns, EBPH_DUE_NOW, 0) == EBPH_DUE_NOW)
			delay->released = 1;
		return 0;
	}
	/* Unless ebphd has released it meanwhile, or it was stopped anew. */
	return __sync_val_compare_and_swap(&delay->due_ns, EBPH_DUE_NOW, due_ns) == EBPH_DUE_NOW;
}

/* The time of a process has come, or would have, had it not been delayed anew meanwhile. */
static int release_on_time(void *map, __u32 *tgid, struct release_timer *timer)
{
	__u64 now_ns = bpf_ktime_get_ns(), due_ns = 0;
	struct ebph_delay *delay;
	struct task_struct *task;
	int failed = 0;

	delay = bpf_map_lookup_elem(&delayed, tgid);
	if (delay)
		due_ns = delay->due_ns;
	if (due_ns && due_ns <= now_ns) {
		task = bpf_task_from_pid(*tgid);
		if (task) {
			failed = release(task, delay, due_ns);
			bpf_task_release(task);
		}
		due_ns = failed ? now_ns + RETRY_NS : delay->due_ns;
		if (due_ns <= now_ns)
			due_ns = 0; /* gone, or ebphd's */
	}
	if (due_ns)
		bpf_timer_start(&timer->timer, due_ns, TIMER_ABS);
	else
		bpf_map_delete_elem(map, tgid);
	return 0;
}

/*
 * Whom we stop was released between its record and its stop, which may come late: by an interrupt
 * of its own. If SIGCONT has come before, he is to get another. If the timer is at it at this
 * moment, that may be so too, though the record is not 0 yet: release() finds then that it was
 * taken from it. One SIGCONT too many does no harm.
 */
static struct ebph_delay *record_again(struct task_struct *target)
{
	struct ebph_delay *delay = record_of(target);
	__u64 seen, now_ns = bpf_ktime_get_ns();

	if (!delay)
		return NULL;
	delay->released = 0;
	/* From DUE_NOW it becomes 0 or a real time, and only we make it one from 0. */
	for (int i = 0; i < 4; i++) {
		seen = delay->due_ns;
		if (seen > EBPH_DUE_NOW ||
		    __sync_val_compare_and_swap(&delay->due_ns, seen, now_ns) == seen)
			break;
	}
	return delay;
}

/* Our own SIGSTOP is put on the queue of a process, whose record is there already. */
SEC("tp_btf/signal_generate")
int BPF_PROG(ebph_timer, int sig, struct kernel_siginfo *info, struct task_struct *target)
{
	struct release_timer none = {}, *timer;
	struct ebph_delay *delay;
	__u32 tgid = target->tgid;

	if (!is_our_stop(sig, info, target))
		return 0;
	delay = delay_of(target);
	if (!delay)
		delay = record_again(target);
	if (!delay)
		return 0;
	timer = bpf_map_lookup_elem(&release_timers, &tgid);
	if (!timer) {
		bpf_map_update_elem(&release_timers, &tgid, &none, BPF_NOEXIST);
		timer = bpf_map_lookup_elem(&release_timers, &tgid);
		if (!timer)
			return 0; /* no memory: ebphd has a timer, too */
		bpf_timer_init(&timer->timer, &release_timers, CLOCK_MONOTONIC);
		bpf_timer_set_callback(&timer->timer, release_on_time);
	}
	bpf_timer_start(&timer->timer, delay->due_ns, TIMER_ABS);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
