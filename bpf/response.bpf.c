// SPDX-License-Identifier: GPL-2.0-or-later
/* The response: decide, then stop or have it aborted. */
#include "kernel.h"
#include "delay.h"
#include "response.h"
#include "rule.h"
#include "task.h"
#include "events.h"
#include <bpf/bpf_tracing.h>

struct decision {
	__u64 delay_ns; /* 0: no stop */
	__u32 unseen;	/* distances at which the call was unseen */
	__u32 recent;	/* recent anomalies that led to it: LFC or heat */
	__u32 heat;
	__u32 answer; /* enum ebph_answer */
	__u32 mode;   /* enum ebph_mode: only enforce carries it out */
};

/* What a call deserves, with .recent and .unseen given. Needs nothing but its arguments. */
static void decide(const struct ebph_rule *rule, __u32 call, struct decision *ret)
{
	__u32 recent = ret->recent, unseen = ret->unseen;

	ret->answer = EBPH_ANSWER_NONE;
	ret->delay_ns = ebph_call_is_exit(call) ? 0 : ebph_delay_ns(rule, recent, unseen);
	if (ret->delay_ns)
		ret->answer |= EBPH_ANSWER_STOP;
	if (ebph_call_is_exec(call) && (unseen || recent >= rule->exec_abort_limit))
		ret->answer |= EBPH_ANSWER_ABORT;
	/* A call that is refused has no effect that a delay could come before. */
	else if (ret->delay_ns && guard_of(call) && guard_of(call) != GUARD_LATER)
		ret->answer |= EBPH_ANSWER_DEFER;
}

__hidden int daemon_silent(void)
{
	/* Signed: a heartbeat may be stored between the two reads, and be later than now. */
	__s64 silence_ns = bpf_ktime_get_ns() - settings.heartbeat_ns;

	return silence_ns > (__s64)EBPH_HEARTBEAT_LIMIT_NS || settings.stand_down;
}

static int is_user_allowed(void)
{
	__u32 uid = (__u32)bpf_get_current_uid_gid();

	return settings.check_users && bpf_map_lookup_elem(&allowed_users, &uid);
}

/* Is it in a control group that is allowed, or in one below? */
static int is_cgroup_allowed(void)
{
	__u64 id;

	if (!has_cgroups || !settings.check_cgroups)
		return 0;
	for (int level = 1; level <= EBPH_CGROUP_LEVELS; level++) {
		id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			return 0; /* it is not that deep */
		if (bpf_map_lookup_elem(&allowed_cgroups, &id))
			return 1;
	}
	return 0;
}

/* Not 0 for those that must never be stopped or refused. */
static int is_exempt(struct task_struct *task, struct ebph_profile *head,
		     const struct ebph_rule *rule)
{
	return task->tgid == 1 || (head->flags & EBPH_PROFILE_PROTECTED) || rule->allowed ||
	       is_user_allowed() || is_cgroup_allowed();
}

/*
 * Puts the current process on record as delayed until @due_ns, or later where another of its
 * threads has to wait longer. In place where there is a record: ebph_release relies on it.
 *
 * Return: when it may go on; 0 when there is no room for the record.
 */
static __u64 delay_record(struct task_struct *task, __u64 due_ns)
{
	struct ebph_delay delay = {
		.start_ns = task->group_leader->start_boottime,
		.due_ns = due_ns,
	};
	struct ebph_delay *old;
	__u32 tgid = task->tgid;
	__u64 seen;

	old = bpf_map_lookup_elem(&delayed, &tgid);
	if (!old || old->start_ns != delay.start_ns)
		return bpf_map_update_elem(&delayed, &tgid, &delay, BPF_ANY) ? 0 : due_ns;

	seen = old->due_ns;
	if (seen >= due_ns)
		return seen;
	if (seen <= EBPH_DUE_NOW)
		old->foreign = old->released = 0; /* of the last delay, and what came after it */
	/* Who changes it under our hands is another thread of this process, or its release. */
	if (__sync_val_compare_and_swap(&old->due_ns, seen, due_ns) != seen)
		__sync_val_compare_and_swap(&old->due_ns, 0, due_ns);
	return due_ns;
}

/*
 * Sends a signal to the current thread. SIGSTOP and SIGKILL are for its whole process, but nobody
 * else can take them off the queue.
 *
 * A global function, not put in line: a test can have it replaced (freplace) by one that fails, for
 * no kernel can be made to refuse at will. Return: 0, or a negative errno.
 */
__noinline int signal_self(int sig)
{
	return bpf_send_signal_thread(sig);
}

/* A thread that ends takes the signals of its own with it: the others get that of its process. */
static int stop_send(__u32 call)
{
	return ebph_call_is_exit(call) ? bpf_send_signal(SIGSTOP) : signal_self(SIGSTOP);
}

/*
 * Has the current process been released since it was put on record, and before it was stopped? We
 * may have been preempted between the two. Whoever released it believes that it goes on, and does
 * not come again: so it is continued here. Should that fail, it goes on record once more, and he to
 * whom the news goes will do it.
 */
static void stray_continue(struct task_struct *task, __u64 due_ns)
{
	if (delay_of(task))
		return;
	count(EBPH_COUNT_STOP_STRAY);
	if (signal_self(SIGCONT))
		delay_record(task, due_ns);
}

/*
 * Stops the current process. The record and the news come first: whom we stop, somebody must
 * know how to release.
 *
 * Return: not 0 when the signal is on its way.
 */
static int stop(struct task_struct *task, const struct task_state *state, __u32 call,
		__u32 deferred)
{
	struct ebph_event_stop *event;
	__u64 due_ns;
	int error;

	event = bpf_ringbuf_reserve(&stops, sizeof(*event), 0);
	if (!event) {
		count(EBPH_COUNT_STOP_UNRECORDED);
		return 0;
	}
	event_head(&event->event, EBPH_EVENT_STOP, state->slot);
	due_ns = delay_record(task, state->due_ns);
	if (!due_ns) {
		count(EBPH_COUNT_STOP_UNRECORDED);
		bpf_ringbuf_discard(event, 0);
		return 0;
	}
	/*
	 * The news goes out even if the signal fails: the record is to be taken back, and to
	 * continue a process that was not stopped does no harm.
	 */
	error = stop_send(call);
	if (error)
		count(EBPH_COUNT_STOP_FAILED);
	else
		stray_continue(task, due_ns);
	event->delay.start_ns = task->group_leader->start_boottime;
	event->delay.due_ns = due_ns;
	event->delay.foreign = 0;
	event->delay.released = 0;
	event->delay_ns = state->delay_ns;
	event->call = call;
	event->recent = state->recent;
	event->deferred = deferred;
	event->drill = (state->flags & TASK_DRILLED) != 0;
	event->error = error;
	bpf_ringbuf_submit(event, 0);
	return !error;
}

/* A global function, that the verifier goes through it once and not on each way to it. */
int delay_serve(struct task_state *state, __u32 call, __u32 deferred)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 now_ns = bpf_ktime_get_ns();

	if (!state)
		return 0;
	if (now_ns >= state->due_ns || now_ns < breaker.open_until_ns) {
		state->flags &= ~(TASK_DELAYED | TASK_DRILLED | TASK_LEFT | TASK_UNMET);
		return 0;
	}
	if (task->ptrace)
		count(EBPH_COUNT_STOP_EXEMPT);
	else if (daemon_silent())
		count(EBPH_COUNT_STOP_NO_HEARTBEAT);
	else if (stop(task, state, call, deferred)) {
		if (deferred)
			state->flags &= ~TASK_LEFT;
		return 1;
	}
	return 0;
}

static void anomaly_report(struct task_state *state, struct ebph_profile *head,
			   const struct decision *decision)
{
	struct ebph_event_anomaly *event;

	if (!report_allowed(head))
		return;
	event = event_reserve(struct ebph_event_anomaly, EBPH_EVENT_ANOMALY, state->slot);
	if (!event)
		return;
	event->window = state->window;
	event->delay_ns = decision->delay_ns;
	event->unseen = decision->unseen;
	event->lfc = state->frame.count;
	event->heat = decision->heat;
	event->answer = decision->answer;
	event->mode = decision->mode;
	event->pad = 0;
	bpf_ringbuf_submit(event, 0);
}

/*
 * The heat of the current user's processes of a profile, with one anomaly more if there is one now.
 * A CPU that loses the race against two others in a row leaves its anomaly out: that many make it
 * hot without it.
 */
static __u32 heat_take(__u32 slot, __u32 unseen)
{
	struct ebph_heat_key key = {.slot = slot, .uid = (__u32)bpf_get_current_uid_gid()};
	__u64 now_ns, before, after = 0, *heat;

	if (!settings.heat_half_life_ns)
		return 0;
	heat = bpf_map_lookup_elem(&heats, &key);
	if (!heat && unseen) {
		bpf_map_update_elem(&heats, &key, &after, BPF_NOEXIST);
		heat = bpf_map_lookup_elem(&heats, &key);
	}
	if (!heat)
		return unseen != 0;
	now_ns = bpf_ktime_get_boot_ns();
	if (!unseen)
		return ebph_heat_count(ebph_heat_decay(*heat, now_ns, settings.heat_half_life_ns));
	for (int i = 0; i < 3; i++) {
		before = *heat;
		after = ebph_heat_add(before, now_ns, settings.heat_half_life_ns);
		if (__sync_val_compare_and_swap(heat, before, after) == before)
			break;
	}
	return ebph_heat_count(after);
}

/* Takes a call into the thread's locality frame and the heat. */
static void recent_take(struct task_state *state, struct ebph_profile *head,
			const struct ebph_rule *rule, __u32 unseen, struct decision *ret)
{
	__u32 heat = heat_take(state->slot, unseen);

	ebph_frame_push(&state->frame, unseen != 0);
	/* So much at once is an attack: what it showed must not be accepted later. */
	if (unseen && head->state == EBPH_STATE_NORMAL &&
	    state->frame.count == rule->tolerize_limit + 1)
		profile_forget_unseen(state->slot);
	ret->heat = heat;
	ret->recent = ebph_recent(state->frame.count, heat);
}

__hidden void abort_report(const struct task_state *state)
{
	struct ebph_event_abort *event;

	event = event_reserve(struct ebph_event_abort, EBPH_EVENT_ABORT, state->slot);
	if (!event)
		return;
	event->call = ebph_window_at(&state->window, 0);
	event->recent = ebph_recent(state->frame.count, heat_take(state->slot, 0));
	bpf_ringbuf_submit(event, 0);
}

/* Not 0: no hook can refuse an execve here, and its process is to be killed instead. */
const volatile __u32 abort_by_kill;

/*
 * The current process is not to execute. Where it is killed, that takes effect on the way back from
 * the call at the latest: of the new program no instruction runs.
 *
 * Return: not 0 when it has been killed.
 */
static int abort_begin(struct task_state *state)
{
	if (daemon_silent()) {
		count(EBPH_COUNT_ABORT_NO_HEARTBEAT);
		return 0;
	}
	if (!abort_by_kill) {
		state->flags |= TASK_ABORT; /* abort.bpf.c does it */
		return 0;
	}
	if (signal_self(SIGKILL)) {
		count(EBPH_COUNT_KILL_FAILED);
		return 0;
	}
	abort_report(state);
	return 1;
}

/* Carries a decision out. */
static void act(struct task_struct *task, struct task_state *state, __u32 call,
		const struct decision *decision)
{
	if (task->flags & PF_EXITING)
		return;
	if ((decision->answer & EBPH_ANSWER_ABORT) && abort_begin(state))
		return;
	if (decision->answer & EBPH_ANSWER_STOP)
		delay_begin(state, call, decision->delay_ns, decision->recent);
}

/* Reports a decision, counts it, and carries it out where the mode says so. */
static void answer(struct task_struct *task, struct task_state *state, struct ebph_profile *head,
		   __u32 call, struct decision *decision)
{
	/* While the breaker is open, enforce is dry-run. */
	if (decision->answer && decision->mode != EBPH_MODE_MONITOR && breaker_take(state->slot)) {
		decision->mode = EBPH_MODE_DRY_RUN;
		count(EBPH_COUNT_BREAKER);
	}
	if (decision->unseen)
		anomaly_report(state, head, decision);
	if (decision->mode == EBPH_MODE_MONITOR)
		return;
	if (decision->answer & EBPH_ANSWER_STOP) {
		__sync_fetch_and_add(&head->stops, 1);
		__sync_fetch_and_add(&head->stop_ns, decision->delay_ns);
	}
	if (decision->answer & EBPH_ANSWER_ABORT)
		__sync_fetch_and_add(&head->aborts, 1);
	if (decision->mode == EBPH_MODE_ENFORCE)
		act(task, state, call, decision);
}

/* Answers a call of a thread; @allowed: it executes what it always may. */
static void call_answer(struct task_struct *task, struct task_state *state,
			struct ebph_profile *head, __u32 call, int allowed)
{
	const struct ebph_rule *rule = rule_of(head);
	struct decision decision = {.unseen = state->unseen, .mode = rule->mode};

	/*
	 * Those that are never answered collect nothing: what init, sshd or login start would
	 * inherit it, and pay for it. What they have stays: anybody can execute one of them.
	 */
	if (is_exempt(task, head, rule)) {
		count(EBPH_COUNT_EXEMPT);
	} else {
		recent_take(state, head, rule, allowed ? 0 : state->unseen, &decision);
		if (!allowed && !rule_allows(head, call))
			decide(rule, call, &decision);
	}
	answer(task, state, head, call, &decision);
}

__hidden void respond(struct task_struct *task, struct task_state *state, __u32 call, __u32 unseen)
{
	struct ebph_profile *head;
	__u32 slot = state->slot;

	head = bpf_map_lookup_elem(&heads, &slot);
	if (!head)
		return;
	state->unseen = unseen;
	/* Its path is the caller's to change: what it executes is known when the kernel has it. */
	if (ebph_call_is_exec(call) && rule_has_targets(rule_of(head))) {
		state->flags |= TASK_TARGET;
		return;
	}
	call_answer(task, state, head, call, 0);
}

static int is_target(struct ebph_target *target, __u32 generation)
{
	if (!target->list)
		return 0;
	target->generation = generation;
	target->known = 1;
	if (bpf_map_lookup_elem(&targets, target))
		return 1;
	target->generation = target->known = 0;
	return bpf_map_lookup_elem(&targets, target) != NULL;
}

/* May the processes of a profile execute @file whatever they do? */
static int is_target_allowed(const struct ebph_profile *head, struct file *file)
{
	struct ebph_target target = {.list = settings.targets_all};
	struct ebph_exe exe = {};

	if (exe_of(file, &exe))
		return 0;
	target.ino = exe.ino;
	target.mtime_ns = exe.mtime_ns;
	target.dev = exe.dev;
	if (is_target(&target, exe.generation))
		return 1;
	target.list = rule_of(head)->targets;
	return is_target(&target, exe.generation);
}

__hidden void exec_settle(struct task_struct *task, struct task_state *state, struct file *file)
{
	__u32 call = ebph_window_at(&state->window, 0), slot = state->slot;
	struct ebph_profile *head;
	int allowed;

	state->flags &= ~TASK_TARGET;
	head = bpf_map_lookup_elem(&heads, &slot);
	if (!head)
		return;
	allowed = is_target_allowed(head, file);
	if (allowed)
		state->flags |= TASK_PASSED;
	call_answer(task, state, head, call, allowed);
}
