// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The programs against the model: random calls, signals, forks, execs and exits, and everything
 * that both say of them compared. Two regimes:
 *
 * - Nothing freezes by itself (min_runs cannot be reached). States change by the operator's verbs
 *   between batches, and by auto_tolerize in their midst; the model says what must come, exactly.
 * - Profiles freeze, with one live thread of each. When a profile is told of a thread's calls is
 *   not the model's business, so the worker notes the state after each call; the model says which
 *   changes are allowed, and which are overdue, and goes on with what was observed.
 *
 * EBPH_SEED=number in the environment replaces the first seed.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "enforcer/util.h"
#include "tests/bpf/conductor.h"
#include "tests/harness/tap.h"

/* ---- events -------------------------------------------------------------------------------- */

/* The id of a call as bpf/callid.h documents it. */
static uint32_t documented_id(struct model_call call)
{
	switch (call.abi) {
	case MODEL_NATIVE:
		return call.number;
	case MODEL_IA32:
		return 512 + call.number;
	case MODEL_X32:
		return 1024;
	case MODEL_INVALID:
		return 1025;
	default:
		return 2046;
	}
}

#define ANOMALY_SEEN "call %u, unseen %#x, lfc %u, heat %u, delay %" PRIu64 ", abort %d"

static void event_compare(struct conductor *conductor, size_t i, const struct model_event *model)
{
	const struct ebph_event *event = &conductor->seen[i].event;
	unsigned int agent = model->agent < 0 ? conductor->agent : (unsigned int)model->agent;
	char seen[200], expected[200];
	uint32_t pid, tid;

	pid = model->agent < 0 ? (uint32_t)getpid() : conductor->ids[agent].pid;
	tid = model->agent < 0 ? pid : conductor->ids[agent].tid;
	snprintf(expected, sizeof(expected), "%d %u of %u/%u: ", model->type,
		 conductor->script->slot[model->exe], pid, tid);
	snprintf(seen, sizeof(seen), "%d %u of %u/%u: ", 0, event->slot, event->pid, event->tid);
	switch (event->type) {
	case EBPH_EVENT_STATE:
		seen[0] = '0' + MODEL_STATE_CHANGE;
		snprintf(seen + strlen(seen), 80, "%u to %u", conductor->seen[i].state.before,
			 conductor->seen[i].state.after);
		break;
	case EBPH_EVENT_ANOMALY:
		seen[0] = '0' + MODEL_ANOMALY;
		snprintf(seen + strlen(seen), 120, ANOMALY_SEEN,
			 ebph_window_at(&conductor->seen[i].anomaly.window, 0),
			 conductor->seen[i].anomaly.unseen, conductor->seen[i].anomaly.lfc,
			 conductor->seen[i].anomaly.heat,
			 (uint64_t)conductor->seen[i].anomaly.delay_ns,
			 !!(conductor->seen[i].anomaly.answer & EBPH_ANSWER_ABORT));
		break;
	case EBPH_EVENT_DOUBT:
		seen[0] = '0' + MODEL_DOUBT;
		snprintf(seen + strlen(seen), 80, "after %u, tolerized %u",
			 conductor->seen[i].doubt.anomalies, conductor->seen[i].doubt.tolerized);
		break;
	}
	if (model->type == MODEL_STATE_CHANGE)
		snprintf(expected + strlen(expected), 80, "%u to %u", model->before, model->after);
	else if (model->type == MODEL_ANOMALY)
		snprintf(expected + strlen(expected), 120, ANOMALY_SEEN, documented_id(model->call),
			 model->unseen, model->lfc, model->heat, model->answer.delay_ns,
			 model->answer.abort);
	else
		snprintf(expected + strlen(expected), 80, "after %u, tolerized %u",
			 model->anomalies, model->tolerized);
	if (strcmp(seen, expected))
		differ(conductor, agent, "event %zu: \"%s\" should be \"%s\"", i, seen, expected);
}

/* Regime 2: changes of state are not foretold, but each follows from the last. */
static void states_follow(struct conductor *conductor)
{
	uint32_t *last = conductor->last_state;
	size_t kept = 0;

	for (size_t i = 0; i < conductor->n_seen; i++) {
		const struct ebph_event_state *state = &conductor->seen[i].state;

		if (state->event.type != EBPH_EVENT_STATE) {
			conductor->seen[kept++] = conductor->seen[i];
			continue;
		}
		conductor->n_freezes +=
			state->before == EBPH_STATE_TRAINING && state->after == EBPH_STATE_FROZEN;
		if (last[state->event.slot] && last[state->event.slot] != state->before)
			differ(conductor, conductor->agent, "from state %u, but it was %u before",
			       state->before, last[state->event.slot]);
		last[state->event.slot] = state->after;
	}
	conductor->n_seen = kept;
	for (size_t i = kept = 0; i < conductor->model->n_events; i++)
		if (conductor->model->event[i].type != MODEL_STATE_CHANGE)
			conductor->model->event[kept++] = conductor->model->event[i];
	conductor->model->n_events = kept;
	for (unsigned int i = 0; i < SCRIPT_EXES; i++) {
		uint32_t slot = conductor->script->slot[i];

		if (last[slot] && last[slot] != conductor->rig.kernel->heads[slot].state)
			differ(conductor, conductor->agent, "program %u: a change untold", i);
	}
}

static void events_compare(struct conductor *conductor)
{
	struct model *model = conductor->model;

	rig_poll(&conductor->rig);
	if (conductor->alone)
		states_follow(conductor);
	for (size_t i = 0; i < model->n_events && i < conductor->n_seen; i++)
		event_compare(conductor, i, &model->event[i]);
	if (model->n_events != conductor->n_seen)
		differ(conductor, conductor->agent, "%zu events, not %zu", conductor->n_seen,
		       model->n_events);
	model->n_events = 0;
	conductor->n_seen = 0;
}

/* ---- profiles ------------------------------------------------------------------------------ */

static unsigned int mask_of(const bool seen[9])
{
	unsigned int mask = 0;

	for (unsigned int d = 1; d <= 8; d++)
		mask |= (unsigned int)seen[d] << (d - 1);
	return mask;
}

/* By documented id; MODEL_SYMBOLS: none. */
static unsigned int symbol_of(const struct model *model, uint32_t id)
{
	unsigned int i = 0;

	while (i < model->n_symbols && documented_id(model->symbol[i]) != id)
		i++;
	return i < model->n_symbols ? i : MODEL_SYMBOLS;
}

static void word_compare(struct conductor *conductor, unsigned int exe, uint64_t word)
{
	const struct model_profile *profile = &conductor->model->profile[exe];
	uint32_t current_id = word >> 32 & 0x7ff, earlier_id = word >> 16 & 0x7ff;
	unsigned int current = symbol_of(conductor->model, current_id);
	unsigned int earlier = symbol_of(conductor->model, earlier_id);

	if (current == MODEL_SYMBOLS || earlier == MODEL_SYMBOLS ||
	    !profile->ever[current][earlier])
		differ(conductor, conductor->agent, "program %u has the pair (%u, %u)", exe,
		       current_id, earlier_id);
	if ((word & 0xff) != mask_of(profile->normal[current][earlier]) ||
	    (word >> 8 & 0xff) != mask_of(profile->training[current][earlier]))
		differ(conductor, conductor->agent,
		       "program %u, pair (%u, %u): normal %#x, seen %#x; not %#x, %#x", exe,
		       current_id, earlier_id, (unsigned int)(word & 0xff),
		       (unsigned int)(word >> 8 & 0xff), mask_of(profile->normal[current][earlier]),
		       mask_of(profile->training[current][earlier]));
}

static void pairs_compare(struct conductor *conductor, unsigned int exe)
{
	uint32_t slot = conductor->script->slot[exe];
	AUTO_FREE uint64_t *words = NULL;
	size_t n;

	REQUIRE(!profile_words(conductor->rig.profiles, slot, &words, &n), "cannot read pairs");
	for (size_t i = 0; i < n; i++)
		word_compare(conductor, exe, words[i]);
	/* No word is there twice, and none is not there. */
	if (n != conductor->model->profile[exe].words ||
	    n != conductor->rig.kernel->heads[slot].words)
		differ(conductor, conductor->agent, "program %u: %zu words, says %u, not %u", exe,
		       n, conductor->rig.kernel->heads[slot].words,
		       conductor->model->profile[exe].words);
}

#define HEAD_COMPARE(field, value)                                                                 \
	do {                                                                                       \
		if (head->field != (value))                                                        \
			differ(conductor, conductor->agent,                                        \
			       "program %u: " #field " is %" PRIu64 ", not %" PRIu64, exe,         \
			       (uint64_t)head->field, (uint64_t)(value));                          \
	} while (0)

static void answers_compare(struct conductor *conductor, unsigned int exe)
{
	const struct ebph_profile *head =
		&conductor->rig.kernel->heads[conductor->script->slot[exe]];
	const struct model_profile *profile = &conductor->model->profile[exe];

	HEAD_COMPARE(stops, profile->stops);
	HEAD_COMPARE(stop_ns, profile->stop_ns);
	HEAD_COMPARE(aborts, profile->aborts);
}

/*
 * @forgotten: calls that a reset has taken from the head; @pending: those that threads have not
 * yet told their profile of.
 */
static void head_compare(struct conductor *conductor, unsigned int exe, uint64_t pending)
{
	const struct ebph_profile *head =
		&conductor->rig.kernel->heads[conductor->script->slot[exe]];
	const struct model_profile *profile = &conductor->model->profile[exe];

	HEAD_COMPARE(state, profile->state);
	HEAD_COMPARE(anomalies, profile->anomalies);
	HEAD_COMPARE(normal_anomalies, profile->doubts);
	HEAD_COMPARE(runs, profile->runs);
	HEAD_COMPARE(tasks, profile->tasks);
	if (pending != UINT64_MAX &&
	    head->calls + head->normal_calls + pending + profile->forgotten != profile->calls)
		differ(conductor, conductor->agent,
		       "program %u: %" PRIu64 " + %" PRIu64 " calls, %" PRIu64 " pending, %" PRIu64
		       " forgotten; not %" PRIu64,
		       exe, (uint64_t)head->calls, (uint64_t)head->normal_calls, pending,
		       profile->forgotten, profile->calls);
}

/* ---- threads ------------------------------------------------------------------------------- */

static void window_compare(struct conductor *conductor, unsigned int agent,
			   const struct ebph_window *window)
{
	const struct model *model = conductor->model;
	const struct list *calls = &model->agent[agent].calls;

	for (uint32_t d = 0; d < 9; d++) {
		uint32_t id = 2047; /* none */

		if (d < calls->n)
			id = documented_id(model->symbol[calls->at[calls->n - 1 - d]]);
		if (ebph_window_at(window, d) != id)
			differ(conductor, agent, "window of agent %u, %u calls ago: %u, not %u",
			       agent, d, ebph_window_at(window, d), id);
	}
}

/* Return: the calls that it has not told its profile of; -1 if it cannot be looked at. */
static int64_t thread_compare(struct conductor *conductor, unsigned int number)
{
	const struct model_agent *agent = &conductor->model->agent[number];
	struct task_state state;
	int r = rig_task(&conductor->rig, (pid_t)conductor->script->agent[number].tid, &state);

	if (r == -EINVAL && !agent->is_leader)
		return -1; /* before Linux 6.9 */
	REQUIRE(!r, "agent %u, thread %u: %s", number, conductor->script->agent[number].tid,
		strerror(-r));
	window_compare(conductor, number, &state.window);
	if (state.slot != conductor->script->slot[agent->exe])
		differ(conductor, number, "agent %u: slot %u", number, state.slot);
	if (state.frame.count != model_lfc(agent))
		differ(conductor, number, "agent %u: LFC %u, not %u", number, state.frame.count,
		       model_lfc(agent));
	if (state.depth != agent->n_frames)
		differ(conductor, number, "agent %u: %u windows are kept, not %u", number,
		       state.depth, agent->n_frames);
	if (state.flags != (agent->restarts ? TASK_RESTART : 0))
		differ(conductor, number, "agent %u: flags %u", number, state.flags);
	return state.calls;
}

static void all_compare(struct conductor *conductor, bool all_pairs)
{
	uint64_t pending[SCRIPT_EXES] = {}, lost;

	if (conductor->model->error[0])
		differ(conductor, conductor->agent, "%s", conductor->model->error);
	events_compare(conductor);
	for (unsigned int i = 0; i < SCRIPT_AGENTS; i++) {
		unsigned int exe = conductor->model->agent[i].exe;
		int64_t n;

		if (!conductor->model->agent[i].is_alive)
			continue;
		n = thread_compare(conductor, i);
		if (n < 0)
			pending[exe] = UINT64_MAX;
		else if (pending[exe] != UINT64_MAX)
			pending[exe] += (uint64_t)n;
	}
	for (unsigned int i = 0; i < SCRIPT_EXES; i++) {
		head_compare(conductor, i, pending[i]);
		answers_compare(conductor, i);
		/* Reading them takes time: mostly of the one that may have changed. */
		if (all_pairs || i == conductor->exe)
			pairs_compare(conductor, i);
	}
	/* Other programs of this host, which are followed since they were executed, count as well.
	 */
	lost = kernel_counter(conductor->rig.kernel, EBPH_COUNT_FRAME_LOST);
	if (lost < conductor->model->frames_lost)
		differ(conductor, conductor->agent, "%" PRIu64 " windows lost, not %" PRIu64, lost,
		       conductor->model->frames_lost);
}

/* ---- rounds -------------------------------------------------------------------------------- */

static uint64_t pending_of(struct conductor *conductor, unsigned int exe)
{
	struct task_state state;

	for (unsigned int i = 0; i < SCRIPT_AGENTS; i++) {
		if (!conductor->model->agent[i].is_alive || conductor->model->agent[i].exe != exe)
			continue;
		REQUIRE(!rig_task(&conductor->rig, (pid_t)conductor->script->agent[i].tid, &state),
			"agent %u", i);
		return state.calls;
	}
	return 0;
}

static void verb(struct conductor *conductor)
{
	unsigned int exe = random_below(conductor, SCRIPT_EXES);
	const struct ebph_profile *head =
		&conductor->rig.kernel->heads[conductor->script->slot[exe]];
	struct model_profile *profile = &conductor->model->profile[exe];
	/* Normalized mostly, or nothing would be normal for long; but not what freezes by itself.
	 */
	uint32_t roll = random_below(conductor, conductor->alone ? 4 : 8);
	enum ebph_verb what = EBPH_VERB_NORMALIZE;
	bool refused;

	if (roll < 3)
		what = roll < 1 ? EBPH_VERB_SENSITIZE : EBPH_VERB_TOLERIZE;
	if (what == EBPH_VERB_SENSITIZE && profile->state != MODEL_NORMAL)
		profile->forgotten += head->calls;
	/* A profile without pairs cannot become normal: all would be an anomaly. */
	refused = what == EBPH_VERB_NORMALIZE && !head->words;
	REQUIRE(!profile_command(conductor->rig.profiles, conductor->script->slot[exe], what) !=
			refused,
		"the verb %u is %s", what, refused ? "accepted" : "refused");
	if (refused)
		return;
	model_verb(conductor->model, exe, (enum model_verb)what);
	if (conductor->alone && profile->state == MODEL_TRAINING)
		model_trained(conductor->model, exe, head->calls + pending_of(conductor, exe),
			      head->calls);
}

static void settings_choose(struct conductor *conductor)
{
	struct ebph_settings *settings = kernel_settings(conductor->rig.kernel);
	struct model *model = conductor->model;

	model->with_heat = random_below(conductor, 2);
	model->freezes = conductor->alone;
	model->waits = random_below(conductor, 2);
	model->tolerize_limit = 1 + random_below(conductor, 40);
	model->anomaly_limit = random_below(conductor, 300);
	model->auto_tolerize = !conductor->alone && random_below(conductor, 2);
	model->factor = random_below(conductor, 2) ? 128 : 32 * (1 + random_below(conductor, 500));
	model->factor_den = 32;
	model->min_calls = random_below(conductor, 3) ? random_below(conductor, 4000) : 0;
	model->min_runs = conductor->alone ? random_below(conductor, 5) : UINT32_MAX;

	settings->heat_half_life_ns = model->with_heat ? 1ull << 62 : 0;
	settings->normal_wait_ns = model->waits ? 1ull << 62 : 0;
	settings->tolerize_limit = model->tolerize_limit;
	settings->anomaly_limit = model->anomaly_limit;
	settings->auto_tolerize = model->auto_tolerize;
	settings->normal_factor = model->factor;
	settings->normal_factor_den = model->factor_den;
	settings->min_calls = model->min_calls;
	settings->min_runs = model->min_runs;
	conductor_rule(conductor);
}

/* So large that no pair finds its place taken: when a set grows is another test's concern. */
static void sets_grow(struct conductor *conductor)
{
	uint32_t pairs = (conductor->n_pool + 5) * (conductor->n_pool + 5);

	for (unsigned int i = 0; i < SCRIPT_EXES; i++) {
		uint32_t slot = conductor->script->slot[i];

		while (conductor->rig.profiles->notes[slot].blocks * EBPH_BLOCK_WORDS < 3 * pairs)
			REQUIRE(!profile_grow(conductor->rig.profiles, slot, 0),
				"it does not grow");
	}
}

static uint64_t seed_first(void)
{
	const char *text = getenv("EBPH_SEED");

	return text ? strtoull(text, NULL, 0) : now_ns(CLOCK_REALTIME);
}

/* One run of about @n calls, or operations where it @freezes, of at most @max_pool kinds. */
static void round_run(uint64_t seed, bool freezes, uint64_t n, unsigned int max_pool)
{
	struct conductor *conductor = conductor_new(seed, max_pool);
	struct model *model = conductor->model;

	note("EBPH_SEED=%#" PRIx64 "%s", seed, freezes ? ", profiles freeze" : "");
	conductor->alone = freezes;
	settings_choose(conductor);
	sets_grow(conductor);
	if (freezes) {
		conductor_end_all(conductor);
		conductor_start(conductor, 0, 0);
	}
	/* Where profiles freeze, most calls are repetitions. */
	while ((freezes ? conductor->n_ops : model->n_calls) < n) {
		bool orders = random_below(conductor, freezes ? 8 : 5) == 0;

		conductor_batch(conductor);
		all_compare(conductor, orders);
		if (orders)
			verb(conductor);
	}
	conductor_end_all(conductor);
	all_compare(conductor, true);
	for (unsigned int i = 0; i < SCRIPT_EXES; i++)
		note("program %u: %" PRIu64 " calls, %" PRIu64 " anomalies, %u pairs, %u runs", i,
		     model->profile[i].calls, model->profile[i].anomalies, model->profile[i].words,
		     model->profile[i].runs);
	note("%" PRIu64 " operations, %" PRIu64 " windows lost, %u changes to frozen",
	     conductor->n_ops, model->frames_lost, conductor->n_freezes);
	conductor_free(conductor);
}

static void rounds_run(bool freezes, unsigned int n_rounds, uint64_t n, unsigned int max_pool)
{
	uint64_t seed = seed_first();

	for (unsigned int i = 0; i < n_rounds; i++)
		round_run(seed + i, freezes, n, max_pool);
}

static void short_exact(void)
{
	rounds_run(false, 2, 6000, 20);
}

static void short_freezing(void)
{
	rounds_run(true, 2, 3000, 20);
}

static void long_exact(void)
{
	rounds_run(false, 10, 100000, POOL_MAX);
}

static void long_freezing(void)
{
	rounds_run(true, 10, 20000, POOL_MAX);
}

const struct test differential_tests[] = {
	{.name = "differential: the programs are as the model", .run = short_exact},
	{.name = "differential: they freeze when the rule says so",
	 .run = short_freezing,
	 .is_once = true},
	{.name = "differential: a million calls as the model", .run = long_exact, .is_long = true},
	{.name = "differential: they freeze by the rule, longer",
	 .run = long_freezing,
	 .is_long = true},
	{},
};
