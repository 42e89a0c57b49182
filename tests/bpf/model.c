// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bpf/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* pH: a profile is told of the calls of a thread at least so often, and acts the next time. */
#define LATEST_FREEZE (2 * 1024)

static void fail(struct model *model, const char *what, unsigned int exe, uint64_t number)
{
	if (!model->error[0])
		snprintf(model->error, sizeof(model->error), "program %u: %s (%llu)", exe, what,
			 (unsigned long long)number);
}

/* ---- calls ------------------------------------------------------------------------------- */

struct model_call model_call_of(uint64_t nr, bool ia32)
{
	/* The kernel looks at 32 bits, as a signed number. */
	int number = (int)nr;
	struct model_call call = {MODEL_INVALID, 0};

	if (number >= 0 && number < 512) {
		call.abi = ia32 ? MODEL_IA32 : MODEL_NATIVE;
		call.number = (uint32_t)number;
	} else if (!ia32 && number != -1 && (number & 0x40000000)) {
		call.abi = MODEL_X32;
	}
	return call;
}

static bool same_call(struct model_call a, struct model_call b)
{
	return a.abi == b.abi && a.number == b.number;
}

unsigned int model_symbol(struct model *model, struct model_call call)
{
	for (unsigned int i = 0; i < model->n_symbols; i++)
		if (same_call(model->symbol[i], call))
			return i;
	if (model->n_symbols == MODEL_SYMBOLS)
		abort();
	model->symbol[model->n_symbols] = call;
	return model->n_symbols++;
}

static bool is(struct model_call call, enum model_abi abi, uint32_t number)
{
	return call.abi == abi && call.number == number;
}

static bool is_restart_syscall(struct model_call call)
{
	return is(call, MODEL_NATIVE, 219) || is(call, MODEL_IA32, 0);
}

/* ---- profiles ---------------------------------------------------------------------------- */

static struct model_event *event_add(struct model *model, enum model_event_type type, int agent,
				     unsigned int exe)
{
	struct model_event *event = &model->event[model->n_events++];

	if (model->n_events == MODEL_EVENTS)
		abort();
	memset(event, 0, sizeof(*event));
	event->type = type;
	event->agent = agent;
	event->exe = exe;
	return event;
}

static void state_set(struct model *model, unsigned int exe, int agent, enum model_state after)
{
	struct model_profile *profile = &model->profile[exe];
	struct model_event *event;

	if (profile->state != after) {
		event = event_add(model, MODEL_STATE_CHANGE, agent, exe);
		event->before = profile->state;
		event->after = after;
	}
	profile->state = after;
}

static void masks_copy(struct model_profile *profile, bool to_normal)
{
	if (to_normal) {
		for (unsigned int i = 0; i < MODEL_SYMBOLS * MODEL_SYMBOLS * 9; i++)
			(&profile->normal[0][0][0])[i] |= (&profile->training[0][0][0])[i];
	} else {
		memcpy(profile->training, profile->normal, sizeof(profile->training));
	}
}

/* pH asks after every call, pH_train() of pH 0.22; what has held once would have frozen it. */
static void rule_ask(struct model *model, struct model_profile *profile)
{
	uint64_t calls = profile->trained;

	if (calls > profile->last_mod &&
	    calls * model->factor_den > (calls - profile->last_mod) * model->factor)
		profile->rule_held = true;
}

static bool may_freeze(const struct model *model, const struct model_profile *profile)
{
	return profile->rule_held && profile->trained > profile->last_mod &&
	       profile->trained >= model->min_calls && profile->runs >= model->min_runs;
}

static void modified(struct model_profile *profile)
{
	profile->last_mod = profile->trained;
	profile->rule_held = false;
	profile->overdue = 0;
}

/* Training begins, or begins anew. */
static void train(struct model *model, unsigned int exe, int agent)
{
	model->profile[exe].doubts = 0;
	modified(&model->profile[exe]);
	state_set(model, exe, agent, MODEL_TRAINING);
}

/* The program changed the state before it judged a call: was that allowed? */
static void state_observe(struct model *model, unsigned int exe, enum model_state observed)
{
	struct model_profile *profile = &model->profile[exe];

	if (profile->state == MODEL_NORMAL || observed <= profile->state)
		return;
	if (profile->state == MODEL_TRAINING && !may_freeze(model, profile))
		fail(model, "frozen too early, calls since the last change", exe,
		     profile->trained - profile->last_mod);
	if (observed == MODEL_NORMAL && model->waits)
		fail(model, "normal without waiting", exe, profile->trained);
	if (observed == MODEL_FROZEN && !model->waits)
		fail(model, "not normal at once", exe, profile->trained);
	profile->state = observed;
}

void model_trained(struct model *model, unsigned int exe, uint64_t trained, uint64_t last_mod)
{
	struct model_profile *profile = &model->profile[exe];

	profile->trained = last_mod;
	modified(profile);
	while (profile->trained < trained) {
		profile->trained++;
		rule_ask(model, profile);
	}
}

void model_flushed(struct model *model, unsigned int exe, enum model_state observed)
{
	struct model_profile *profile = &model->profile[exe];

	if (profile->state == MODEL_TRAINING && observed == MODEL_TRAINING &&
	    may_freeze(model, profile))
		fail(model, "not frozen when told of all calls", exe, profile->trained);
	state_observe(model, exe, observed);
	if (profile->state != observed)
		fail(model, "its state should be another than", exe, observed);
}

void model_verb(struct model *model, unsigned int exe, enum model_verb verb)
{
	struct model_profile *profile = &model->profile[exe];

	if (verb == MODEL_SENSITIZE && profile->state == MODEL_NORMAL) {
		masks_copy(profile, false);
		return;
	}
	if (verb == MODEL_SENSITIZE) {
		memset(profile->normal, 0, sizeof(profile->normal));
		memset(profile->training, 0, sizeof(profile->training));
		profile->runs = 0;
		train(model, exe, -1);
		return;
	}
	masks_copy(profile, true);
	profile->heat = 0;
	if (verb == MODEL_TOLERIZE) {
		train(model, exe, -1);
		return;
	}
	profile->doubts = 0;
	state_set(model, exe, -1, MODEL_NORMAL);
}

/* ---- judging a call ---------------------------------------------------------------------- */

uint32_t model_lfc(const struct model_agent *agent)
{
	size_t n = agent->verdicts.n;
	uint32_t count = 0;

	for (size_t i = n > 128 ? n - 128 : 0; i < n; i++)
		count += agent->verdicts.at[i];
	return count;
}

/* Bit d-1: the profile lacks (current, the call d before it, d). */
static uint32_t unseen_by(const struct model_profile *profile, const struct list *calls)
{
	uint32_t unseen = 0;

	for (size_t d = 1; d <= 8 && d < calls->n; d++)
		if (!profile->normal[calls->at[calls->n - 1]][calls->at[calls->n - 1 - d]][d])
			unseen |= 1u << (d - 1);
	return unseen;
}

static void learn(struct model_profile *profile, const struct list *calls, uint32_t unseen,
		  bool as_normal)
{
	for (size_t d = 1; d <= 8 && d < calls->n; d++) {
		uint8_t current = calls->at[calls->n - 1], earlier = calls->at[calls->n - 1 - d];

		if (!(unseen & 1u << (d - 1)))
			continue;
		profile->training[current][earlier][d] = true;
		if (as_normal)
			profile->normal[current][earlier][d] = true;
		profile->words += !profile->ever[current][earlier];
		profile->ever[current][earlier] = true;
	}
}

/* An anomaly of a normal profile; the verdict is in the thread's list already. */
static void anomaly(struct model *model, unsigned int number, uint32_t unseen, uint32_t before)
{
	struct model_agent *agent = &model->agent[number];
	struct model_profile *profile = &model->profile[agent->exe];
	struct model_event *event;

	profile->anomalies++;
	profile->doubts++;
	profile->heat += model->with_heat;
	if (profile->doubts == model->anomaly_limit + 1) {
		event = event_add(model, MODEL_DOUBT, (int)number, agent->exe);
		event->anomalies = profile->doubts;
		event->tolerized = model->auto_tolerize;
		if (model->auto_tolerize)
			train(model, agent->exe, (int)number);
	}
	/* So much in one thread is an attack, unless the profile was found wrong just now. */
	if (profile->state == MODEL_NORMAL && model_lfc(agent) == model->tolerize_limit + 1)
		masks_copy(profile, false);
	event = event_add(model, MODEL_ANOMALY, (int)number, agent->exe);
	event->call = model->symbol[agent->calls.at[agent->calls.n - 1]];
	event->unseen = unseen;
	event->lfc = model_lfc(agent);
	event->heat = (uint32_t)profile->heat;
	event->answer = model_answered(model, number, true, before);
}

static void judge(struct model *model, unsigned int number)
{
	struct model_agent *agent = &model->agent[number];
	struct model_profile *profile = &model->profile[agent->exe];
	uint32_t unseen = unseen_by(profile, &agent->calls);
	uint32_t lfc = model_lfc(agent);

	if (profile->state == MODEL_NORMAL) {
		/* Who is under attack does not even propose. */
		if (lfc <= model->tolerize_limit)
			learn(profile, &agent->calls, unseen, false);
		list_add(&agent->verdicts, unseen != 0);
		if (unseen)
			anomaly(model, number, unseen, lfc);
		else
			model_answered(model, number, false, lfc);
		return;
	}
	list_add(&agent->verdicts, 0);
	model_answered(model, number, false, lfc);
	learn(profile, &agent->calls, unseen, true);
	profile->trained++;
	if (unseen) {
		modified(profile);
		state_set(model, agent->exe, (int)number, MODEL_TRAINING);
		return;
	}
	rule_ask(model, profile);
	if (model->freezes && profile->state == MODEL_TRAINING && may_freeze(model, profile) &&
	    ++profile->overdue > LATEST_FREEZE)
		fail(model, "not frozen though it should be, calls", agent->exe, profile->overdue);
}

void model_call(struct model *model, unsigned int number, uint64_t nr, bool ia32,
		enum model_state observed)
{
	struct model_agent *agent = &model->agent[number];
	struct model_call call = model_call_of(nr, ia32);
	bool repeats = agent->restarts;

	agent->restarts = false;
	if (is_restart_syscall(call))
		return;
	if (repeats && agent->calls.n &&
	    same_call(model->symbol[agent->calls.at[agent->calls.n - 1]], call)) {
		agent->was_repeated = true;
		return;
	}
	agent->was_repeated = false;
	list_add(&agent->calls, (uint8_t)model_symbol(model, call));
	model->profile[agent->exe].calls++;
	model->n_calls++;
	if (model->freezes)
		state_observe(model, agent->exe, observed);
	judge(model, number);
	if (model->freezes && model->profile[agent->exe].state != observed)
		fail(model, "after this call its state should be another than", agent->exe,
		     observed);
}

/* ---- a thread's life ----------------------------------------------------------------------- */

static void frame_remove(struct model_agent *agent, unsigned int i)
{
	list_end(&agent->frame[i].calls);
	agent->n_frames--;
	for (; i < agent->n_frames; i++)
		agent->frame[i] = agent->frame[i + 1];
	memset(&agent->frame[agent->n_frames], 0, sizeof(agent->frame[0]));
}

static void frames_end(struct model_agent *agent, unsigned int keep)
{
	while (agent->n_frames > keep)
		frame_remove(agent, agent->n_frames - 1);
}

void model_signal(struct model *model, unsigned int number, bool restarts)
{
	struct model_agent *agent = &model->agent[number];
	struct model_frame *frame;

	/* Handlers that were as deep on this stack have been left by a jump. */
	while (agent->n_frames && agent->frame[agent->n_frames - 1].is_ours &&
	       agent->frame[agent->n_frames - 1].level >= agent->level)
		frames_end(agent, agent->n_frames - 1);
	if (agent->n_frames == MODEL_FRAMES) {
		frame_remove(agent, 0);
		model->frames_lost++;
	}
	frame = &agent->frame[agent->n_frames++];
	frame->calls = agent->calls;
	frame->level = agent->level++;
	frame->is_ours = true;
	/* A call that waits for its repetition does so until the handler has ended. */
	frame->restarts = restarts || agent->restarts;
	memset(&agent->calls, 0, sizeof(agent->calls));
	list_add(&agent->calls,
		 (uint8_t)model_symbol(model, (struct model_call){MODEL_HANDLER, 0}));
	agent->restarts = false;
}

void model_handler_ends(struct model *model, unsigned int number)
{
	struct model_agent *agent = &model->agent[number];
	unsigned int i = agent->n_frames;

	agent->level--;
	if (agent->was_repeated)
		return; /* the call was none */
	while (i-- > 0) {
		struct model_frame *frame = &agent->frame[i];

		if (!frame->is_ours || frame->level != agent->level)
			continue;
		list_end(&agent->calls);
		agent->calls = frame->calls;
		agent->restarts = frame->restarts;
		memset(&frame->calls, 0, sizeof(frame->calls));
		frames_end(agent, i);
		return;
	}
}

void model_jump(struct model *model, unsigned int agent, int level)
{
	model->agent[agent].level = level;
}

void model_restart(struct model *model, unsigned int agent)
{
	model->agent[agent].restarts = true;
}

static void agent_end(struct model_agent *agent)
{
	frames_end(agent, 0);
	list_end(&agent->calls);
	list_end(&agent->verdicts);
	memset(agent, 0, sizeof(*agent));
}

static void run(struct model *model, unsigned int number, unsigned int exe)
{
	struct model_agent *agent = &model->agent[number];

	frames_end(agent, 0);
	list_end(&agent->calls);
	agent->is_alive = true;
	agent->is_leader = true;
	agent->exe = exe;
	agent->level = 0;
	agent->restarts = false;
	model->profile[exe].runs++;
	model->profile[exe].tasks++;
}

void model_start(struct model *model, unsigned int agent, unsigned int exe)
{
	model->agent[agent].process = (unsigned int)++model->n_processes;
	run(model, agent, exe);
}

void model_exec(struct model *model, unsigned int number, unsigned int exe)
{
	struct model_agent *agent = &model->agent[number];

	for (unsigned int i = 0; i < MODEL_AGENTS; i++)
		if (i != number && model->agent[i].is_alive &&
		    model->agent[i].process == agent->process)
			model_exit(model, i);
	model->profile[agent->exe].tasks--;
	run(model, number, exe);
}

void model_fork(struct model *model, unsigned int from, unsigned int to, bool is_thread)
{
	struct model_agent *parent = &model->agent[from], *child = &model->agent[to];

	child->is_alive = true;
	child->is_leader = !is_thread;
	child->process = is_thread ? parent->process : (unsigned int)++model->n_processes;
	child->exe = parent->exe;
	child->level = is_thread ? 0 : parent->level;
	list_copy(&child->calls, &parent->calls);
	list_copy(&child->verdicts, &parent->verdicts);
	child->n_frames = parent->n_frames;
	for (unsigned int i = 0; i < parent->n_frames; i++) {
		child->frame[i] = parent->frame[i];
		memset(&child->frame[i].calls, 0, sizeof(child->frame[i].calls));
		list_copy(&child->frame[i].calls, &parent->frame[i].calls);
		child->frame[i].is_ours &= !is_thread;
	}
	model->profile[child->exe].tasks++;
}

void model_exit(struct model *model, unsigned int agent)
{
	model->profile[model->agent[agent].exe].tasks--;
	agent_end(&model->agent[agent]);
}

void model_exit_process(struct model *model, unsigned int number)
{
	unsigned int process = model->agent[number].process;

	for (unsigned int i = 0; i < MODEL_AGENTS; i++)
		if (model->agent[i].is_alive && model->agent[i].process == process)
			model_exit(model, i);
}

struct model *model_new(void)
{
	struct model *model = calloc(1, sizeof(*model));

	for (unsigned int i = 0; model && i < MODEL_EXES; i++)
		model->profile[i].state = MODEL_TRAINING;
	return model;
}

void model_free(struct model *model)
{
	for (unsigned int i = 0; i < MODEL_AGENTS; i++)
		agent_end(&model->agent[i]);
	free(model);
}
