// SPDX-License-Identifier: GPL-2.0-or-later
/* Profiles: find or make one, learn, test, change state. */
#include "kernel.h"
#include "profile.h"
#include "rule.h"
#include "events.h"

static struct ebph_profile *head_of(__u32 slot)
{
	return bpf_map_lookup_elem(&heads, &slot);
}

__hidden __u32 profile_of(const struct ebph_exe *exe)
{
	struct ebph_profile *head;
	__u32 *known, slot;

	known = bpf_map_lookup_elem(&profiles, exe);
	if (known)
		return *known;

	if (bpf_map_pop_elem(&free_slots, &slot)) {
		count(EBPH_COUNT_NO_SLOT);
		return 0;
	}
	head = head_of(slot);
	if (!head)
		return 0; /* the daemon only hands out slots that have a head */

	head->exe = *exe;
	head->state = settings.store ? EBPH_STATE_LOADING : EBPH_STATE_TRAINING;
	if (!bpf_map_update_elem(&profiles, exe, &slot, BPF_NOEXIST))
		return slot;

	/* Another CPU was first, or there is no room: the slot goes back as it came. */
	head->state = EBPH_STATE_NONE;
	bpf_map_push_elem(&free_slots, &slot, 0);
	known = bpf_map_lookup_elem(&profiles, exe);
	if (known)
		return *known;
	count(EBPH_COUNT_PROFILE_NOT_STORED);
	return 0;
}

__hidden void profile_enter(__u32 slot, __u32 run)
{
	struct ebph_profile *head = head_of(slot);

	if (!head)
		return;
	__sync_fetch_and_add(&head->tasks, 1);
	if (run) {
		__sync_fetch_and_add(&head->runs, 1);
		head->last_run_ns = bpf_ktime_get_boot_ns();
	}
}

__hidden void profile_leave(__u32 slot)
{
	struct ebph_profile *head = head_of(slot);

	if (head)
		__sync_fetch_and_add(&head->tasks, -1);
}

__hidden void state_change(struct ebph_profile *head, __u32 slot, __u32 before, __u32 after)
{
	struct ebph_event_state *event;

	if (__sync_val_compare_and_swap(&head->state, before, after) != before)
		return;
	/* A program can make itself freeze and thaw as often as it likes. */
	if (before != EBPH_STATE_NORMAL && after != EBPH_STATE_NORMAL && !report_allowed(head))
		return;
	event = event_reserve(struct ebph_event_state, EBPH_EVENT_STATE, slot);
	if (!event)
		return;
	event->before = before;
	event->after = after;
	bpf_ringbuf_submit(event, 0);
}

__hidden void training_prepare(struct ebph_profile *head)
{
	head->last_mod_calls = head->calls;
	head->normal_anomalies = 0;
}

__hidden void state_advance(struct ebph_profile *head, __u32 slot)
{
	if (head->state == EBPH_STATE_TRAINING && !settings.ending &&
	    ebph_may_freeze(head->calls, head->last_mod_calls, head->runs, settings.normal_factor,
			    settings.normal_factor_den, settings.min_calls, settings.min_runs)) {
		head->normal_due_ns = bpf_ktime_get_boot_ns() + rule_of(head)->normal_wait_ns;
		state_change(head, slot, EBPH_STATE_TRAINING, EBPH_STATE_FROZEN);
	}
	if (head->state == EBPH_STATE_FROZEN && bpf_ktime_get_boot_ns() >= head->normal_due_ns)
		state_change(head, slot, EBPH_STATE_FROZEN, EBPH_STATE_NORMAL);
}

static void head_flush(struct ebph_profile *head, struct task_state *task)
{
	__u64 *total = head->state == EBPH_STATE_NORMAL ? &head->normal_calls : &head->calls;

	__sync_fetch_and_add(total, task->calls);
	task->calls = 0;
}

__hidden void profile_flush(struct task_state *task)
{
	struct ebph_profile *head = head_of(task->slot);

	if (!head)
		return;
	head_flush(head, task);
	state_advance(head, task->slot);
}

__hidden int profile_open(__u32 slot, struct profile *ret)
{
	ret->slot = slot;
	ret->head = head_of(slot);
	ret->set = bpf_map_lookup_elem(&pairs, &slot);
	if (!ret->head || !ret->set) {
		count(EBPH_COUNT_NO_SET);
		return -1;
	}
	ret->blocks = ((struct bpf_map *)ret->set)->max_entries;
	return 0;
}

/* Asks for a larger set; once for each size, unless the event finds no room. */
static void grow_ask(const struct profile *profile)
{
	__u32 asked = profile->head->grow_blocks;
	struct ebph_event_grow *grow;

	if (asked == profile->blocks ||
	    __sync_val_compare_and_swap(&profile->head->grow_blocks, asked, profile->blocks) !=
		    asked)
		return;
	grow = event_reserve(struct ebph_event_grow, EBPH_EVENT_GROW, profile->slot);
	if (!grow) {
		profile->head->grow_blocks = 0; /* the next pair asks again */
		return;
	}
	grow->blocks = profile->blocks;
	grow->pad = 0;
	bpf_ringbuf_submit(grow, 0);
}

/*
 * Keeps a pair that found no room until the daemon has enlarged the set.
 * Return: not 0 if it is kept.
 */
static int late_add(struct profile *profile, __u64 key, __u64 bits)
{
	__u64 late_key =
		ebph_late_key(profile->slot, profile->head->flags & EBPH_PROFILE_LATE_ROOM, key);
	__u64 *waiting;

	/* Where it is not there, and then is: another CPU has put it there in between. */
	for (int i = 0; i < 2; i++) {
		waiting = bpf_map_lookup_elem(&late, &late_key);
		if (waiting) {
			__sync_fetch_and_or(waiting, bits);
			return 1;
		}
		if (profile->blocks >= EBPH_SET_BLOCKS_MAX)
			break;
		if (!bpf_map_update_elem(&late, &late_key, &bits, BPF_NOEXIST))
			return 1;
	}
	count(EBPH_COUNT_SET_FULL); /* learned when it occurs again, if there is room then */
	return 0;
}

__hidden int pair_add(struct profile *profile, __u64 key, __u64 bits)
{
	int result = ebph_pair_add(profile->set, profile->blocks, key, bits);
	int kept = result != EBPH_PAIR_KNOWN;
	__u32 words;

	if (result == EBPH_PAIR_NEW) {
		words = __sync_fetch_and_add(&profile->head->words, 1) + 1;
		if (words * 4 >= profile->blocks * EBPH_BLOCK_WORDS * 3)
			grow_ask(profile);
	} else if (result == EBPH_PAIR_FULL) {
		kept = late_add(profile, key, bits);
		grow_ask(profile); /* after it: who answers looks at what waits */
	}
	return kept;
}

/* One window on its way through the pair set. */
struct visit {
	struct profile profile;
	const struct ebph_window *window;
	__u64 masks;   /* to which a pair that does not belong to the profile is added */
	__u32 current; /* call id */
	__u32 unseen;  /* bit d-1: the pair at distance d did not belong to the profile */
	__u32 news;    /* not 0: some of these are news, and learned now or waiting for room */
	__u64 old;     /* bits of masks that make a pair no news */
};

/* The pair at distance @i + 1. Return: not 0 to end the loop. */
static long pair_visit(__u32 i, struct visit *visit)
{
	__u32 earlier = ebph_window_at(visit->window, i + 1);
	__u64 key = ebph_word_key(visit->current, earlier);
	__u64 bits = ebph_word_bits(i + 1), word;

	if (earlier == EBPH_CALL_NONE)
		return 1; /* before the first call there is nothing to pair with */
	word = ebph_pair_find(visit->profile.set, visit->profile.blocks, key) & bits;
	if (word & EBPH_WORD_NORMAL_BITS)
		return 0;
	visit->unseen |= 1u << (i & 7);
	/* A flag, and no count: the verifier would go through the rest for each number. */
	if (visit->masks)
		visit->news |=
			pair_add(&visit->profile, key, bits & visit->masks) & !(word & visit->old);
	return 0;
}

/* An anomaly more of a normal profile: too many, and it may be wrong. */
static void profile_doubt(struct ebph_profile *head, __u32 slot)
{
	struct ebph_event_doubt *event;
	__u32 anomalies;

	__sync_fetch_and_add(&head->anomalies, 1);
	anomalies = __sync_fetch_and_add(&head->normal_anomalies, 1) + 1;
	if (anomalies != rule_of(head)->anomaly_limit + 1)
		return;
	event = event_reserve(struct ebph_event_doubt, EBPH_EVENT_DOUBT, slot);
	if (event) {
		event->anomalies = anomalies;
		event->tolerized = settings.auto_tolerize;
		bpf_ringbuf_submit(event, 0);
	}
	/* What was seen meanwhile is in the training masks only: it is not accepted by this. */
	if (settings.auto_tolerize) {
		training_prepare(head);
		state_change(head, slot, EBPH_STATE_NORMAL, EBPH_STATE_TRAINING);
	}
}

/*
 * What a state means for a pair that does not belong to the profile. A table, and no branches: of
 * each branch the verifier would go through the whole visit.
 */
struct judging {
	__u64 masks; /* to which it is added */
	__u64 spare; /* of these, those that it is not added to by a thread over tolerize_limit */
	__u64 old;   /* bits of masks that make it no news: seen before the profile was fresh */
};

#define BOTH_MASKS (EBPH_WORD_TRAINING_BITS | EBPH_WORD_NORMAL_BITS)

/* By state, with EBPH_PROFILE_FRESH. */
static const volatile struct judging judgings[2 * EBPH_PROFILE_FRESH] = {
	[EBPH_STATE_TRAINING] = {BOTH_MASKS, 0, 0},
	[EBPH_STATE_FROZEN] = {BOTH_MASKS, 0, 0},
	[EBPH_STATE_NORMAL] = {EBPH_WORD_TRAINING_BITS, EBPH_WORD_TRAINING_BITS, 0},
	[EBPH_STATE_LOADING] = {EBPH_WORD_TRAINING_BITS, 0, EBPH_WORD_TRAINING_BITS},
	[EBPH_STATE_TRAINING | EBPH_PROFILE_FRESH] = {BOTH_MASKS, 0, 0},
	[EBPH_STATE_FROZEN | EBPH_PROFILE_FRESH] = {BOTH_MASKS, 0, 0},
	[EBPH_STATE_NORMAL |
		EBPH_PROFILE_FRESH] = {EBPH_WORD_TRAINING_BITS, EBPH_WORD_TRAINING_BITS, 0},
	[EBPH_STATE_LOADING | EBPH_PROFILE_FRESH] = {BOTH_MASKS, 0, EBPH_WORD_TRAINING_BITS},
};

static void judging_choose(const struct ebph_profile *head, const struct task_state *task,
			   __u32 state, __u32 limit, struct visit *ret)
{
	__u64 index = (state & (EBPH_PROFILE_FRESH - 1)) | (head->flags & EBPH_PROFILE_FRESH);
	const volatile struct judging *judging;
	__u64 over;

	/* Or the compiler would leave the mask out, without which 6.1 knows no bounds. */
	asm volatile("" : "+r"(index));
	judging = &judgings[index & (2 * EBPH_PROFILE_FRESH - 1)];
	/* All bits if the LFC is over the limit. */
	over = (__u64)(((__s64)limit - task->frame.count) >> 63);

	ret->masks = judging->masks & ~(judging->spare & over);
	ret->old = judging->old;
}

__hidden int profile_judge(struct task_state *task, struct verdict *ret)
{
	struct visit visit = {
		.window = &task->window,
		.current = ebph_window_at(&task->window, 0),
	};
	const struct ebph_rule *rule;
	struct ebph_profile *head;
	__u32 slot = task->slot;

	if (profile_open(slot, &visit.profile))
		return -1;
	head = visit.profile.head;
	rule = rule_of(head);
	if (rule_ignores(head, rule)) {
		/* Until there is another configuration it makes its calls unseen. */
		task->flags |= TASK_UNLISTED;
		task->generation = settings.generation;
		return -1;
	}
	state_advance(head, slot);
	head_flush(head, task);
	ret->state = head->state;
	ret->flags = head->flags;
	judging_choose(head, task, ret->state, rule->tolerize_limit, &visit);

	/* A loop of the kernel's: unrolled, the verifier would multiply the paths of all eight. */
	bpf_loop(EBPH_DISTANCES, pair_visit, &visit, 0);

	ret->unseen = visit.unseen;
	if (!visit.unseen)
		return 0;
	if (ret->state == EBPH_STATE_NORMAL) {
		profile_doubt(head, slot);
		return 0;
	}
	if (!visit.news)
		return 0; /* nothing has changed: it is loading, or the set as large as can be */
	head->last_mod_calls = head->calls;
	if (ret->state == EBPH_STATE_FROZEN)
		state_change(head, slot, EBPH_STATE_FROZEN, EBPH_STATE_TRAINING);
	return 0;
}
