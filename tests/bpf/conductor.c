// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bpf/conductor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/tap.h"

#define WAIT_LIMIT_NS (30 * NSEC_PER_SEC)

/* ---- when it goes wrong ------------------------------------------------------------------ */

static const char *const op_names[OP_MAX] = {
	[OP_CALL] = "call",	  [OP_SIGNAL] = "signal",
	[OP_BLOCK] = "block",	  [OP_RETURN] = "return",
	[OP_JUMP] = "jump",	  [OP_FORGE] = "forge",
	[OP_RESTART] = "restart", [OP_FORK] = "fork",
	[OP_THREAD] = "thread",	  [OP_SPAWN] = "spawn",
	[OP_EXEC] = "exec",	  [OP_EXEC_FAILS] = "exec that fails",
	[OP_EXIT] = "exit",	  [OP_EXIT_PROCESS] = "exit of the process",
};

static void exes_remove(struct conductor *conductor)
{
	for (unsigned int i = 0; i < SCRIPT_EXES; i++)
		unlink(conductor->script->path[i]);
	rmdir(conductor->folder);
}

void differ(struct conductor *conductor, unsigned int agent, const char *format, ...)
{
	struct part *part = &conductor->part[agent];
	uint64_t n = part->n_trace;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	CHECK(false, "%s", text);
	note("EBPH_SEED=%#" PRIx64 ", after operation %" PRIu64 "; agent %u, its last operations:",
	     conductor->seed, conductor->n_ops + conductor->script->n_ops, agent);
	for (uint64_t i = n > TRACE_OPS ? n - TRACE_OPS : 0; i < n; i++) {
		const struct op *op = &part->trace[i % TRACE_OPS].op;

		note("  %8llu %s nr %#llx%s x %u%s, target %u, program %u",
		     (unsigned long long)part->trace[i % TRACE_OPS].index, op_names[op->type],
		     (unsigned long long)op->nr, op->ia32 ? " ia32" : "", op->count,
		     op->on_altstack ? " on altstack" : "", op->target, op->exe);
	}
	exes_remove(conductor);
	test_end();
}

/* ---- workers ------------------------------------------------------------------------------- */

static void deadline_check(struct conductor *conductor, uint64_t end_ns, const char *what)
{
	if (now_ns(CLOCK_MONOTONIC) > end_ns)
		differ(conductor, conductor->agent, "%s takes too long", what);
}

/* Waits until *@word is no longer @value. */
static void word_wait(struct conductor *conductor, uint32_t *word, uint32_t value, const char *what)
{
	const struct timespec limit = {.tv_sec = 1};
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + WAIT_LIMIT_NS;

	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) {
		syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
		deadline_check(conductor, end_ns, what);
	}
}

/* Sends SIGALRM to the thread that says it will block, when it does. */
static void blocked_interrupt(struct conductor *conductor)
{
	struct script_agent *agent = &conductor->script->agent[conductor->agent];
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + WAIT_LIMIT_NS;
	char path[64], line[512], *end = NULL;

	conductor->script->blocking = 0;
	snprintf(path, sizeof(path), "/proc/%u/task/%u/stat", agent->pid, agent->tid);
	while (!end || end[2] != 'S') {
		AUTO_FCLOSE FILE *file = fopen(path, "re");

		REQUIRE(file && fgets(line, sizeof(line), file), "%s: %s", path, strerror(errno));
		end = strrchr(line, ')');
		deadline_check(conductor, end_ns, "a read");
	}
	syscall(SYS_tgkill, agent->pid, agent->tid, SIGALRM);
}

/* Waits until the batch is done; interrupts who blocks meanwhile. */
static void done_wait(struct conductor *conductor, uint32_t before)
{
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + WAIT_LIMIT_NS;
	struct script *script = conductor->script;
	const struct timespec limit = {.tv_nsec = 1000000};
	bool may_block = false;

	for (uint32_t i = 0; i < script->n_ops; i++)
		may_block |= script->op[i].type == OP_BLOCK;
	while (__atomic_load_n(&script->done, __ATOMIC_SEQ_CST) == before) {
		if (__atomic_load_n(&script->blocking, __ATOMIC_SEQ_CST))
			blocked_interrupt(conductor);
		else if (may_block)
			sched_yield();
		else
			syscall(SYS_futex, &script->done, FUTEX_WAIT, before, &limit, NULL, 0);
		deadline_check(conductor, end_ns, "a batch");
	}
}

/* Waits until as many threads are alive as the model says: what ends does so in its own time. */
static void tasks_wait(struct conductor *conductor)
{
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + WAIT_LIMIT_NS;

	for (unsigned int i = 0; i < SCRIPT_EXES; i++) {
		uint32_t *tasks = &conductor->rig.kernel->heads[conductor->script->slot[i]].tasks;
		uint32_t expected = conductor->model->profile[i].tasks;

		while (__atomic_load_n(tasks, __ATOMIC_SEQ_CST) != expected) {
			sched_yield();
			if (now_ns(CLOCK_MONOTONIC) > end_ns)
				differ(conductor, conductor->agent, "program %u: %u tasks, not %u",
				       i, *tasks, expected);
		}
	}
}

/* Executes @exe as a process of nobody who is followed. */
void conductor_start(struct conductor *conductor, unsigned int agent, unsigned int exe)
{
	struct part *part = &conductor->part[agent];
	struct script *script = conductor->script;
	char text[5][12];
	pid_t pid;

	script->agent[agent].tid = 0;
	script->agent[agent].turn = 0;
	snprintf(text[0], sizeof(text[0]), "%d", conductor->script_fd);
	snprintf(text[1], sizeof(text[1]), "%d", conductor->hot_path_fd);
	snprintf(text[2], sizeof(text[2]), "%d", conductor->heads_fd);
	snprintf(text[3], sizeof(text[3]), "%u", agent);
	snprintf(text[4], sizeof(text[4]), "%u", exe);
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		execl(script->path[exe], "worker", text[0], text[1], text[2], text[3], text[4], "0",
		      NULL);
		_exit(1);
	}
	word_wait(conductor, &script->agent[agent].tid, 0, "the start of a worker");
	part->is_alive = true;
	part->process = ++conductor->n_processes;
	part->exe = exe;
	part->n_threads = 0;
	part->level = 0;
	model_start(conductor->model, agent, exe);
}

/* ---- the model's part ---------------------------------------------------------------------- */

/* Its only thread has left the profile of @exe, which knows of all calls then. */
static void flushed(struct conductor *conductor, unsigned int exe)
{
	uint32_t slot = conductor->script->slot[exe];

	model_flushed(conductor->model, exe,
		      (enum model_state)conductor->rig.kernel->heads[slot].state);
}

static void model_operation(struct conductor *conductor, const struct op *op, uint32_t *call)
{
	struct model *model = conductor->model;
	unsigned int agent = conductor->agent, exe = model->agent[agent].exe;

	switch (op->type) {
	case OP_CALL:
	case OP_FORGE:
	case OP_RETURN:
		for (uint32_t i = 0; i < op->count; i++)
			model_call(model, agent, op->nr, op->ia32,
				   (enum model_state)conductor->script->state[(*call)++]);
		if (op->type == OP_RETURN)
			model_handler_ends(model, agent);
		return;
	case OP_SIGNAL:
	case OP_BLOCK:
		model_signal(model, agent, op->type == OP_BLOCK);
		return;
	case OP_JUMP:
		model_jump(model, agent, op->target);
		return;
	case OP_RESTART:
		model_restart(model, agent);
		return;
	case OP_FORK:
	case OP_THREAD:
	case OP_SPAWN:
		model_fork(model, agent, op->target, op->type == OP_THREAD);
		if (op->type == OP_SPAWN)
			model_exec(model, op->target, op->exe);
		return;
	case OP_EXEC:
		if (conductor->alone)
			flushed(conductor, exe); /* before it is another run */
		model_exec(model, agent, op->exe);
		return;
	case OP_EXIT:
	case OP_EXIT_PROCESS:
		if (op->type == OP_EXIT)
			model_exit(model, agent);
		else
			model_exit_process(model, agent);
		tasks_wait(conductor);
		if (conductor->alone)
			flushed(conductor, exe);
		return;
	}
}

void conductor_batch(struct conductor *conductor)
{
	struct script *script = conductor->script;
	uint32_t before = script->done, call = 0;

	do
		conductor->agent = random_below(conductor, SCRIPT_AGENTS);
	while (!conductor->part[conductor->agent].is_alive);
	conductor->exe = conductor->part[conductor->agent].exe;
	conductor->n_ops += script->n_ops;
	script_make(conductor);
	memcpy(conductor->ids, script->agent, sizeof(conductor->ids));
	script->next = 0;
	script->n_calls = 0;
	script->record = conductor->alone;
	__atomic_store_n(&script->agent[conductor->agent].turn, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &script->agent[conductor->agent].turn, FUTEX_WAKE, 64, NULL, NULL, 0);
	done_wait(conductor, before);
	for (uint32_t i = 0; i < script->n_ops; i++)
		model_operation(conductor, &script->op[i], &call);
	if (call != script->n_calls)
		differ(conductor, conductor->agent, "%u calls were fed, not %u", script->n_calls,
		       call);
	tasks_wait(conductor);
	for (unsigned int i = 0; i < SCRIPT_AGENTS; i++)
		if (conductor->part[i].is_alive)
			return;
	conductor_start(conductor, 0, random_below(conductor, SCRIPT_EXES));
}

void conductor_end_all(struct conductor *conductor)
{
	struct script *script = conductor->script;

	for (unsigned int i = 0; i < SCRIPT_AGENTS; i++) {
		struct part *part = &conductor->part[i];
		uint32_t before = script->done;
		unsigned int exe;

		if (!part->is_alive)
			continue;
		conductor->agent = i;
		conductor->n_ops += script->n_ops;
		script->n_ops = 1;
		script->next = 0;
		script->op[0] = (struct op){.type = OP_EXIT_PROCESS};
		part_others_end(conductor, part);
		part->is_alive = false;
		__atomic_store_n(&script->agent[i].turn, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &script->agent[i].turn, FUTEX_WAKE, 64, NULL, NULL, 0);
		done_wait(conductor, before);
		exe = conductor->model->agent[i].exe;
		model_exit_process(conductor->model, i);
		tasks_wait(conductor);
		if (conductor->alone)
			flushed(conductor, exe);
	}
}

/* ---- begin and end ------------------------------------------------------------------------- */

static void event_keep(struct conductor *conductor, const struct ebph_event *event, size_t size)
{
	for (unsigned int i = 0; i < SCRIPT_EXES; i++) {
		if (event->slot != conductor->script->slot[i])
			continue;
		REQUIRE(conductor->n_seen < SEEN_EVENTS, "too many events");
		memcpy(&conductor->seen[conductor->n_seen++], event, size);
	}
}

static void on_event(void *context, const struct ebph_event *event)
{
	static const size_t sizes[] = {
		[EBPH_EVENT_STATE] = sizeof(struct ebph_event_state),
		[EBPH_EVENT_ANOMALY] = sizeof(struct ebph_event_anomaly),
		[EBPH_EVENT_DOUBT] = sizeof(struct ebph_event_doubt),
	};

	if (event->type < ARRAY_SIZE(sizes) && sizes[event->type])
		event_keep(context, event, sizes[event->type]);
}

/* A copy of the worker: another inode is another program. */
static void exe_copy(struct conductor *conductor, unsigned int exe)
{
	char *path = conductor->script->path[exe], block[65536];
	int from = open(PROGRAM("worker"), O_RDONLY | O_CLOEXEC), to;
	ssize_t n;

	snprintf(path, sizeof(conductor->script->path[exe]), "%s/worker%u", conductor->folder, exe);
	to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	REQUIRE(from >= 0 && to >= 0, "%s: %s", path, strerror(errno));
	while ((n = read(from, block, sizeof(block))) > 0)
		REQUIRE(write(to, block, (size_t)n) == n, "%s: %s", path, strerror(errno));
	close(from);
	close(to);
}

static void script_new(struct conductor *conductor)
{
	conductor->script_fd = memfd_create("script", 0);
	REQUIRE(conductor->script_fd >= 0 &&
			!ftruncate(conductor->script_fd, sizeof(struct script)),
		"%s", strerror(errno));
	conductor->script = mmap(NULL, sizeof(struct script), PROT_READ | PROT_WRITE, MAP_SHARED,
				 conductor->script_fd, 0);
	REQUIRE(conductor->script != MAP_FAILED, "%s", strerror(errno));
	snprintf(conductor->folder, sizeof(conductor->folder), "/tmp/ebph-differential-XXXXXX");
	REQUIRE(mkdtemp(conductor->folder), "%s: %s", conductor->folder, strerror(errno));
	for (unsigned int i = 0; i < SCRIPT_EXES; i++)
		exe_copy(conductor, i);
}

struct conductor *conductor_new(uint64_t seed, unsigned int max_pool)
{
	struct conductor *conductor = calloc(1, sizeof(*conductor));

	REQUIRE(conductor, "no memory");
	conductor->seed = conductor->random = seed;
	conductor->model = model_new();
	REQUIRE(conductor->model, "no memory");
	/* Whom nobody waits for ends by itself. */
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	script_new(conductor);
	rig_new(&conductor->rig, SCRIPT_HEADS_SLOTS);
	conductor->rig.on_event = on_event;
	conductor->rig.context = conductor;
	conductor->hot_path_fd = dup(rig_hot_path_fd(&conductor->rig));
	conductor->heads_fd = dup(rig_heads_fd(&conductor->rig));
	calls_choose(conductor, max_pool);
	rig_attach_life(&conductor->rig);
	for (unsigned int i = 0; i < SCRIPT_EXES; i++) {
		conductor_start(conductor, i, i);
		conductor->script->slot[i] = rig_slot(&conductor->rig, conductor->script->path[i]);
		REQUIRE(conductor->script->slot[i] &&
				conductor->script->slot[i] < SCRIPT_HEADS_SLOTS,
			"slot %u", conductor->script->slot[i]);
	}
	return conductor;
}

void conductor_free(struct conductor *conductor)
{
	rig_free(&conductor->rig);
	exes_remove(conductor);
	munmap(conductor->script, sizeof(struct script));
	close(conductor->script_fd);
	close(conductor->hot_path_fd);
	close(conductor->heads_fd);
	model_free(conductor->model);
	free(conductor);
}

void conductor_rule(struct conductor *conductor)
{
	struct ebph_settings *settings = kernel_settings(conductor->rig.kernel);
	struct model_rule *rule = &conductor->model->rule;

	rule->linear = random_below(conductor, 2);
	rule->on_anomaly = random_below(conductor, 2);
	rule->tolerance = random_below(conductor, 4);
	rule->exec_limit = 1 + random_below(conductor, 20);
	rule->base_ns = (1 + random_below(conductor, 10000)) * 1000000ull;
	rule->max_ns = rule->base_ns * (1 + random_below(conductor, 200));

	settings->delay_curve = rule->linear ? EBPH_CURVE_LINEAR : EBPH_CURVE_EXPONENTIAL;
	settings->delay_on = rule->on_anomaly ? EBPH_DELAY_ON_ANOMALY : EBPH_DELAY_ON_FRAME;
	settings->tolerance = rule->tolerance;
	settings->exec_abort_limit = rule->exec_limit;
	settings->delay_base_ns = rule->base_ns;
	settings->max_delay_ns = rule->max_ns;
}
