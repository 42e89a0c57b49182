// SPDX-License-Identifier: GPL-2.0-or-later
/* Which programs are loaded and attached on this kernel, and in which order. */
#include "enforcer/program.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/util.h"
#include "ebph.skel.h"
#include "ontime.skel.h"

static const struct {
	enum abort_rung rung;
	const char *program;
	bool optional; /* the kernel may have been built without this ABI */
} rung_programs[] = {
	{ABORT_OVERRIDE, "ebph_over_x64", false},  {ABORT_OVERRIDE, "ebph_over_x64at", false},
	{ABORT_OVERRIDE, "ebph_over_ia32", true},  {ABORT_OVERRIDE, "ebph_over_i32at", true},
	{ABORT_FMOD_RET, "ebph_fmod_bprm", false}, {ABORT_FMOD_RET, "ebph_fmod_bprm2", false},
	{ABORT_LSM, "ebph_lsm_bprm", false},
};

/*
 * Where programs at tracepoints can be preempted, each is attached twice; the first line only where
 * SURE_PROGRAM cannot be: bpf/second.h.
 */
#define SURE_PROGRAM "ebph_sys_enter_p"

/* It gives back what the others take: bpf/seat.h. */
#define SEATS_PROGRAM "ebph_free"

static const struct {
	const char *first, *twin;
} twins[] = {
	{"ebph_sys_enter", "ebph_sys_enter2"}, {"ebph_fork", "ebph_fork2"},
	{"ebph_exec", "ebph_exec2"},	       {"ebph_exit", "ebph_exit2"},
	{"ebph_signal", "ebph_signal2"},       {"ebph_uring_req", "ebph_uring_req2"},
	{SEATS_PROGRAM, SEATS_PROGRAM "2"},
};

/* The tracepoint of a submission to io_uring has had two names. */
static const struct {
	const char *tracepoint, *program;
} uring_programs[] = {
	{"btf_trace_io_uring_submit_req", "ebph_uring_req"},
	{"btf_trace_io_uring_submit_sqe", "ebph_uring_sqe"},
};

/* They take calls into profiles; so do those that refuse an execve, if it was missed before. */
static const char *const judges[] = {
	SURE_PROGRAM,	  "ebph_sys_enter",  "ebph_sys_enter2",
	"ebph_uring_req", "ebph_uring_req2", "ebph_uring_sqe",
};

/* ---- loading --------------------------------------------------------------------------- */

static int program_load(struct ebph_bpf *skeleton, const char *name, bool attach)
{
	struct bpf_program *program = bpf_object__find_program_by_name(skeleton->obj, name);
	int r;

	if (!program)
		return -ENOENT;
	r = bpf_program__set_autoload(program, true);
	if (!r)
		bpf_program__set_autoattach(program, attach);
	return r;
}

static bool is_loaded(const struct ebph_bpf *skeleton, const char *name)
{
	return bpf_program__autoload(bpf_object__find_program_by_name(skeleton->obj, name));
}

static int twins_select(struct ebph_bpf *skeleton)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(twins) && !r; i++)
		if (is_loaded(skeleton, twins[i].first))
			r = program_load(skeleton, twins[i].twin, false);
	return r;
}

/* The verifier takes its time for each of these programs: only the one that is to be attached. */
static int calls_select(struct ebph_bpf *skeleton, bool perf)
{
	bpf_program__set_autoattach(skeleton->progs.ebph_sys_enter, false); /* calls_attach() */
	if (!perf)
		return 0;
	bpf_program__set_autoload(skeleton->progs.ebph_sys_enter, false);
	return program_load(skeleton, SURE_PROGRAM, false);
}

static int uring_select(struct ebph_bpf *skeleton, const struct btf *btf)
{
	for (size_t i = 0; i < ARRAY_SIZE(uring_programs); i++) {
		if (btf__find_by_name_kind(btf, uring_programs[i].tracepoint, BTF_KIND_TYPEDEF) < 0)
			continue;
		return program_load(skeleton, uring_programs[i].program, true);
	}
	return 0; /* none of them: a kernel without io_uring */
}

#define SIGNALS_PROGRAM "ebph_generate" /* sees signals to whom we have stopped */

/* Which of them refuses a foreign SIGCONT. */
static const char *const refusers[] = {
	[HOOK_FMOD_RET] = "ebph_cont",
	[HOOK_LSM] = "ebph_lsm_cont",
};

#define GUARD_PREFIX "ebph_g_"

/* The kernel's function of a hook is called PREFIX and the hook's name. */
static const char *const guard_prefixes[] = {
	[HOOK_FMOD_RET] = "security_",
	[HOOK_LSM] = "bpf_lsm_",
};

/* Hooks whose name in the list of the security modules is another: include/linux/lsm_hook_defs.h */
static const struct {
	const char *guard, *lsm;
} lsm_names[] = {
	{"bprm_check", "bprm_check_security"},
	{"settime64", "settime"},
};

static bool is_guard(const struct bpf_program *program)
{
	return !strncmp(bpf_program__name(program), GUARD_PREFIX, strlen(GUARD_PREFIX));
}

static const char *guard_hook(const struct bpf_program *program, enum hook_rung rung)
{
	const char *name = bpf_program__name(program) + strlen(GUARD_PREFIX);

	for (size_t i = 0; i < ARRAY_SIZE(lsm_names); i++)
		if (rung == HOOK_LSM && !strcmp(name, lsm_names[i].guard))
			return lsm_names[i].lsm;
	return name;
}

/* They are written for fmod_ret, and do the same by lsm. */
static int guard_by_lsm(struct bpf_program *program, const char *hook)
{
	bpf_program__set_type(program, BPF_PROG_TYPE_LSM);
	bpf_program__set_expected_attach_type(program, BPF_LSM_MAC);
	return bpf_program__set_attach_target(program, 0, hook);
}

/* Those of the guards that this kernel has a function for. */
static int guards_select(struct ebph_bpf *skeleton, const struct btf *btf, enum hook_rung rung)
{
	struct bpf_program *program;
	char function[128];
	int r = 0;

	bpf_object__for_each_program(program, skeleton->obj) {
		const char *hook;

		if (r || !is_guard(program))
			continue;
		hook = guard_hook(program, rung);
		snprintf(function, sizeof(function), "%s%s", guard_prefixes[rung], hook);
		if (btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) < 0) {
			log_debug("this kernel has no %s", function);
			continue;
		}
		r = rung == HOOK_LSM ? guard_by_lsm(program, hook) : 0;
		if (!r)
			r = program_load(skeleton, bpf_program__name(program), false);
	}
	return r;
}

static int rung_select(struct ebph_bpf *skeleton, enum abort_rung rung)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rung_programs) && !r; i++)
		if (rung_programs[i].rung == rung)
			r = program_load(skeleton, rung_programs[i].program, false);
	return r;
}

int programs_select(struct kernel *kernel, const struct support *support)
{
	struct ebph_bpf *skeleton = kernel->skeleton;
	struct btf *btf = btf__load_vmlinux_btf();
	int r;

	if (!btf)
		return -errno;
	kernel->preemptible = programs_preemptible();
	skeleton->rodata->preemptible = kernel->preemptible;
	skeleton->rodata->abort_by_kill = kernel->rung == ABORT_KILL;
	skeleton->rodata->lookups_fail = kernel_version() < KERNEL(6, 2);
	skeleton->rodata->has_cgroups =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT,
					BPF_FUNC_get_current_ancestor_cgroup_id, NULL) == 1;
	bpf_program__set_autoattach(skeleton->progs.ebph_threads, false); /* kernel_threads() */
	r = bpf_program__set_autoload(skeleton->progs.ebph_interrupt, support->interrupts);
	if (!r)
		r = calls_select(skeleton, support->perf);
	if (!r)
		r = uring_select(skeleton, btf);
	if (!r && kernel->preemptible)
		r = twins_select(skeleton);
	if (!r && kernel->defers != HOOK_NONE)
		r = guards_select(skeleton, btf, kernel->defers);
	if (!r)
		r = rung_select(skeleton, kernel->rung);
	/* Those that refuse an execve on these hooks know what it executes. */
	if (!r && hook_abort_rung(kernel->hooks) != kernel->rung)
		r = rung_select(skeleton, hook_abort_rung(kernel->hooks));
	if (!r)
		r = program_load(skeleton, SIGNALS_PROGRAM, false);
	if (!r && kernel->hooks != HOOK_NONE)
		r = program_load(skeleton, refusers[kernel->hooks], false);
	btf__free(btf);
	return r;
}

/* ---- attaching ------------------------------------------------------------------------- */

/* Where the skeleton, which owns it, keeps the link of a program. NULL: there is no such program.
 */
static struct bpf_prog_skeleton *program_find(struct kernel *kernel, const char *name)
{
	struct bpf_object_skeleton *parts = kernel->skeleton->skeleton;

	for (int i = 0; i < parts->prog_cnt; i++)
		if (!strcmp(parts->progs[i].name, name))
			return &parts->progs[i];
	return NULL;
}

static int program_attach(struct kernel *kernel, const char *name)
{
	struct bpf_prog_skeleton *program = program_find(kernel, name);

	if (!program)
		return -ENOENT;
	if (*program->link)
		return 0; /* when programs_arm() had failed half-way, and is tried again */
	*program->link = bpf_program__attach(*program->prog);
	return *program->link ? 0 : -errno;
}

static void program_detach(struct kernel *kernel, const char *name)
{
	struct bpf_prog_skeleton *program = program_find(kernel, name);

	if (!program)
		return;
	bpf_link__destroy(*program->link);
	*program->link = NULL;
}

static int rung_attach(struct kernel *kernel, enum abort_rung rung)
{
	for (size_t i = 0; i < ARRAY_SIZE(rung_programs); i++) {
		int r = 0;

		if (rung_programs[i].rung == rung)
			r = program_attach(kernel, rung_programs[i].program);
		if (r && !rung_programs[i].optional)
			return r;
	}
	return 0;
}

static int guards_attach(struct kernel *kernel)
{
	struct bpf_program *program;
	int r = 0;

	bpf_object__for_each_program(program, kernel->skeleton->obj)
		if (!r && is_guard(program) && bpf_program__autoload(program))
			r = program_attach(kernel, bpf_program__name(program));
	kernel_settings(kernel)->defer = kernel->defers != HOOK_NONE && !r;
	return r;
}

/* All but the first twin, which is for calls_attach(). */
static int twins_attach(struct kernel *kernel)
{
	int r = 0;

	for (size_t i = 1; i < ARRAY_SIZE(twins) && !r; i++)
		if (is_loaded(kernel->skeleton, twins[i].twin))
			r = program_attach(kernel, twins[i].twin);
	return r;
}

static int calls_attach(struct kernel *kernel)
{
	int r;

	if (is_loaded(kernel->skeleton, SURE_PROGRAM))
		return program_attach(kernel, SURE_PROGRAM);
	r = program_attach(kernel, twins[0].first);
	if (r || !kernel->preemptible)
		return r;
	log_warn("calls may be missed on this kernel: perf's tracepoint raw_syscalls/sys_enter "
		 "cannot be used; it takes tracefs, and no lockdown=confidentiality");
	return program_attach(kernel, twins[0].twin);
}

int programs_arm(struct kernel *kernel)
{
	int r = rung_attach(kernel, kernel->rung);

	if (!r)
		r = program_attach(kernel, SIGNALS_PROGRAM);
	if (!r && kernel->hooks != HOOK_NONE)
		r = program_attach(kernel, refusers[kernel->hooks]);
	if (!r && kernel->ontime)
		r = ontime_bpf__attach(kernel->ontime);
	return r ? r : guards_attach(kernel);
}

int programs_ask_targets(struct kernel *kernel)
{
	if (kernel->hooks == HOOK_NONE)
		return -ENOTSUP;
	return rung_attach(kernel, hook_abort_rung(kernel->hooks));
}

int programs_attach_first(struct kernel *kernel)
{
	int r = program_attach(kernel, SEATS_PROGRAM);

	if (!r && kernel->preemptible)
		r = program_attach(kernel, SEATS_PROGRAM "2");
	return r;
}

int programs_attach(struct kernel *kernel)
{
	int r = ebph_bpf__attach(kernel->skeleton);

	/* After the first ones: that is their order at the event. */
	if (!r)
		r = twins_attach(kernel);
	return r ? r : calls_attach(kernel);
}

void programs_detach(struct kernel *kernel)
{
	for (size_t i = 0; i < ARRAY_SIZE(judges); i++)
		program_detach(kernel, judges[i]);
	for (size_t i = 0; i < ARRAY_SIZE(rung_programs); i++)
		program_detach(kernel, rung_programs[i].program);
	ebph_bpf__detach(kernel->skeleton);
}

/* ---- what was missed ------------------------------------------------------------------- */

/* Is it a loss if this program is skipped? Not one whose twin leaves no mark, and not a twin. */
static bool is_missed(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(twins); i++)
		if (!strcmp(twins[i].twin, name))
			return false;
	return strcmp(name, SEATS_PROGRAM) != 0;
}

uint64_t kernel_missed_runs(struct kernel *kernel)
{
	uint64_t rescued, sum = 0;
	struct bpf_program *program;

	bpf_object__for_each_program(program, kernel->skeleton->obj) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (bpf_program__fd(program) >= 0 && is_missed(bpf_program__name(program)) &&
		    !bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			sum += info.recursion_misses;
	}
	/* After the misses: the other way round, what is rescued in between would look lost. */
	rescued = kernel_counter(kernel, EBPH_COUNT_RESCUED);
	return sum > rescued ? sum - rescued : 0;
}
