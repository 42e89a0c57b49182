// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/rung.h"

#include <bpf/libbpf.h>
#include <string.h>

#include "enforcer/kernel.h"
#include "enforcer/log.h"
#include "enforcer/util.h"
#include "probe.skel.h"

static const char *const names[] = {
	[ABORT_OVERRIDE] = "bpf_override_return",
	[ABORT_FMOD_RET] = "fmod_ret",
	[ABORT_LSM] = "lsm",
	[ABORT_KILL] = "kill",
	[ABORT_NONE] = "none",
};

const char *abort_rung_name(enum abort_rung rung)
{
	return names[rung];
}

int abort_rung_from_name(const char *name, enum abort_rung *ret)
{
	for (enum abort_rung rung = 0; rung < ARRAY_SIZE(names); rung++) {
		if (!strcmp(name, names[rung])) {
			*ret = rung;
			return 0;
		}
	}
	return -EINVAL;
}

/* A program of the probe object, and what shows that it really works once attached. */
struct trial {
	const char *program;
	bool (*fires)(struct probe_bpf *probe);
};

/* An lsm/ program loads and attaches on any kernel; it fires only with bpf among the LSMs. */
static bool lsm_fires(struct probe_bpf *probe)
{
	probe->bss->lsm_tgid = (__u32)getpid();
	if (getpgid(getpid()) < 0)
		return false;
	return probe->bss->lsm_fired > 0;
}

static const struct trial trials[] = {
	[ABORT_OVERRIDE] = {"probe_override", NULL},
	[ABORT_FMOD_RET] = {"probe_fmod_ret", NULL},
	[ABORT_LSM] = {"probe_lsm", lsm_fires},
};

static bool trial_passes(const struct trial *trial)
{
	struct bpf_program *program;
	struct probe_bpf *probe;
	struct bpf_link *link = NULL;
	bool passes = false;

	probe = probe_bpf__open();
	if (!probe)
		return false;
	program = bpf_object__find_program_by_name(probe->obj, trial->program);
	if (!program || bpf_program__set_autoload(program, true) || probe_bpf__load(probe))
		goto out;
	link = bpf_program__attach(program);
	if (!link)
		goto out;
	passes = !trial->fires || trial->fires(probe);
out:
	log_debug("support: %s: %s", trial->program, passes ? "yes" : "no");
	bpf_link__destroy(link);
	probe_bpf__destroy(probe);
	return passes;
}

/* A trial takes its time, and what the kernel can do does not change: one for each rung. */
static bool rung_works(enum abort_rung rung)
{
	static enum { UNTRIED, FAILS, WORKS } known[ARRAY_SIZE(trials)];

	if (known[rung] == UNTRIED)
		known[rung] = trial_passes(&trials[rung]) ? WORKS : FAILS;
	return known[rung] == WORKS;
}

/*
 * While a thread is preempted within a program at fmod_ret, the kernel skips that program for all
 * others on the same CPU, whose calls would not be answered; at lsm it does not, since 6.2
 * (271de525e1d7). Both kinds of answer are on one rung: delays come first, and refusals are
 * attached after them.
 */
static bool lsm_comes_first(enum abort_rung best)
{
	return best != ABORT_FMOD_RET && kernel_version() >= KERNEL(6, 2) && rung_works(ABORT_LSM);
}

/* The best way to abort an execve on this kernel; none but @kill where none loads and fires. */
static enum abort_rung abort_rung_find(enum abort_rung best, bool kill)
{
	for (enum abort_rung rung = best; rung < ARRAY_SIZE(trials); rung++) {
		if (rung == ABORT_FMOD_RET && lsm_comes_first(best))
			return ABORT_LSM;
		if (rung_works(rung))
			return rung;
	}
	return kill && best <= ABORT_KILL ? ABORT_KILL : ABORT_NONE;
}

enum abort_rung hook_abort_rung(enum hook_rung rung)
{
	static const enum abort_rung rungs[] = {
		[HOOK_FMOD_RET] = ABORT_FMOD_RET,
		[HOOK_LSM] = ABORT_LSM,
		[HOOK_NONE] = ABORT_NONE,
	};

	return rungs[rung];
}

const char *hook_rung_name(enum hook_rung rung)
{
	return abort_rung_name(hook_abort_rung(rung));
}

enum hook_rung hook_rung_find(enum abort_rung best)
{
	enum hook_rung rung = best == ABORT_LSM ? HOOK_LSM : HOOK_FMOD_RET;

	if (lsm_comes_first(best))
		return HOOK_LSM;
	while (rung < HOOK_NONE && !rung_works(hook_abort_rung(rung)))
		rung++;
	return rung;
}

/*
 * Can we see each thread that a stop makes repeat a call? By fentry, which the kernels have that
 * have fmod_ret. Without it the repeated calls of the other threads of a stopped process pass for
 * new ones.
 */
static bool interrupts_visible(void)
{
	const struct trial trial = {.program = "probe_fentry"};

	return trial_passes(&trial);
}

void support_find(enum abort_rung best, bool kill, bool deferral, struct support *ret)
{
	const struct trial perf = {.program = "probe_perf"};
	enum hook_rung hooks = hook_rung_find(best);

	ret->rung = abort_rung_find(best, kill);
	ret->defers = deferral ? hooks : HOOK_NONE;
	ret->hooks = best == ABORT_NONE ? HOOK_NONE : hooks;
	ret->interrupts = interrupts_visible();
	ret->perf = programs_preemptible() && trial_passes(&perf);
}
