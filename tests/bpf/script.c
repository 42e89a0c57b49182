// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes up what workers are to do: only what can be done, by threads that are alive. */
#include <string.h>

#include "enforcer/util.h"
#include "tests/bpf/conductor.h"

uint32_t random_below(struct conductor *conductor, uint32_t n)
{
	/* splitmix64 */
	uint64_t x = conductor->random += 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return n ? (uint32_t)((x ^ (x >> 31)) % n) : 0;
}

static bool chance(struct conductor *conductor, uint32_t of_1000)
{
	return random_below(conductor, 1000) < of_1000;
}

/* A number that is not that of an rt_sigreturn, which has operations of its own. */
static void call_choose(struct conductor *conductor, struct op *op)
{
	struct model_call call;

	memset(op, 0, sizeof(*op));
	do {
		op->ia32 = chance(conductor, 250);
		op->nr = random_below(conductor, 512);
		if (chance(conductor, 60))
			op->nr |= 0x40000000; /* x32; for a 32-bit caller invalid */
		if (chance(conductor, 60))
			op->nr |= (uint64_t)(1 + random_below(conductor, 1000)) << 32;
		if (chance(conductor, 60))
			op->nr = 512 + random_below(conductor, 100000);
		if (chance(conductor, 20))
			op->nr = chance(conductor, 500) ? ~0ull : 0xffffffffull;
		call = model_call_of(op->nr, op->ia32);
	} while ((call.abi == MODEL_NATIVE && call.number == 15) ||
		 (call.abi == MODEL_IA32 && (call.number == 119 || call.number == 173)));
}

void calls_choose(struct conductor *conductor, unsigned int max_pool)
{
	/* What goes on with an interrupted call, and what could be refused or is never answered. */
	static const struct op always[] = {{.nr = 219}, {.nr = 0, .ia32 = 1},
					   {.nr = 59},	{.nr = 60},
					   {.nr = 511}, {.nr = 511, .ia32 = 1}};

	conductor->n_pool =
		ARRAY_SIZE(always) + random_below(conductor, max_pool + 1 - ARRAY_SIZE(always));
	for (unsigned int i = 0; i < conductor->n_pool; i++) {
		if (i < ARRAY_SIZE(always))
			conductor->pool[i] = always[i];
		else
			call_choose(conductor, &conductor->pool[i]);
	}
	for (unsigned int i = 0; i < PHRASES; i++) {
		conductor->phrase_length[i] = 1 + random_below(conductor, PHRASE_MAX);
		for (unsigned int j = 0; j < PHRASE_MAX; j++)
			conductor->phrase[i][j] = random_below(conductor, conductor->n_pool);
	}
}

static const struct op sigreturns[] = {
	{.nr = 15}, {.nr = 119, .ia32 = 1}, {.nr = 173, .ia32 = 1}, {.nr = 0x70000000fu}};

static void sigreturn_set(struct conductor *conductor, struct op *op)
{
	/* Mostly the native one, as in life. */
	uint32_t i = chance(conductor, 700) ? 0 : random_below(conductor, 4);

	op->nr = sigreturns[i].nr;
	op->ia32 = sigreturns[i].ia32;
}

/*
 * A phrase that recurs after so many equal calls that a locality frame forgets: what was strange
 * the first time must be strange again.
 */
static unsigned int refrain_next(struct conductor *conductor, struct op *op)
{
	unsigned int phrase = conductor->refrain - 1, at = conductor->refrain_at++;

	if (at < conductor->phrase_length[phrase])
		return conductor->phrase[phrase][at];
	conductor->refrain_at = 0;
	op->count = 140 + random_below(conductor, 20);
	return conductor->phrase[(phrase + 1) % PHRASES][0];
}

static unsigned int phrase_next(struct conductor *conductor, struct part *part)
{
	if (part->at >= conductor->phrase_length[part->phrase]) {
		part->phrase = random_below(conductor, PHRASES);
		part->at = 0;
	}
	return conductor->phrase[part->phrase][part->at++];
}

static void call_set(struct conductor *conductor, struct part *part, struct op *op)
{
	uint32_t count = 1;
	unsigned int i;

	if (part->repeats && part->last[part->level].count && chance(conductor, 500)) {
		*op = part->last[part->level];
	} else {
		if (chance(conductor, conductor->noise))
			i = random_below(conductor, conductor->n_pool);
		else if (conductor->refrain)
			i = refrain_next(conductor, op);
		else
			i = phrase_next(conductor, part);
		count = op->count;
		*op = conductor->pool[i];
	}
	if (count == 1 && !conductor->refrain && chance(conductor, 20))
		count = 1 + random_below(conductor, 20);
	if (conductor->alone && chance(conductor, 2))
		count = 1 + random_below(conductor, SCRIPT_REPEATS);
	op->count = count;
	part->last[part->level] = *op;
	part->repeats = false;
}

static int agent_free(const struct conductor *conductor)
{
	for (int i = 0; i < SCRIPT_AGENTS; i++)
		if (!conductor->part[i].is_alive)
			return i;
	return -1;
}

/* Return: false where this cannot be asked of @part now. */
static bool birth_set(struct conductor *conductor, struct part *part, struct op *op)
{
	int child = agent_free(conductor);

	if (child < 0 || conductor->alone)
		return false;
	if (op->type == OP_THREAD && part->n_threads + 2 >= SCRIPT_STACKS)
		return false;
	op->target = (uint8_t)child;
	op->exe = (uint8_t)random_below(conductor, SCRIPT_EXES);
	conductor->script->agent[child].tid = 0;
	conductor->script->agent[child].turn = 0;
	for (unsigned int i = 0; op->type == OP_THREAD && i < SCRIPT_AGENTS; i++)
		if (conductor->part[i].process == part->process)
			conductor->part[i].n_threads++;
	conductor->part[child] = *part;
	conductor->part[child].n_trace = 0;
	if (op->type != OP_FORK)
		conductor->part[child].level = 0;
	if (op->type != OP_THREAD)
		conductor->part[child].process = ++conductor->n_processes;
	if (op->type == OP_SPAWN)
		conductor->part[child].n_threads = 0;
	if (op->type == OP_SPAWN)
		conductor->part[child].exe = op->exe;
	return true;
}

void part_others_end(struct conductor *conductor, const struct part *part)
{
	for (unsigned int i = 0; i < SCRIPT_AGENTS; i++)
		if (conductor->part[i].process == part->process && &conductor->part[i] != part)
			conductor->part[i].is_alive = false;
}

static bool special_set(struct conductor *conductor, struct part *part, struct op *op)
{
	switch (op->type) {
	case OP_SIGNAL:
	case OP_BLOCK:
		op->on_altstack = op->type == OP_SIGNAL && chance(conductor, 300);
		if (part->level == SCRIPT_LEVELS)
			return false;
		part->level++;
		part->last[part->level].count = 0;
		return true;
	case OP_RETURN:
		sigreturn_set(conductor, op);
		part->repeats = true;
		return part->level && (part->level--, true);
	case OP_JUMP:
		if (!part->level)
			return false;
		part->level = (int)random_below(conductor, (uint32_t)part->level);
		op->target = (uint8_t)part->level;
		return true;
	case OP_FORGE:
		sigreturn_set(conductor, op);
		return true;
	case OP_RESTART:
		part->repeats = true;
		return true;
	case OP_FORK:
	case OP_THREAD:
	case OP_SPAWN:
		return birth_set(conductor, part, op);
	case OP_EXEC:
		op->exe = (uint8_t)random_below(conductor, SCRIPT_EXES);
		part_others_end(conductor, part);
		part->exe = op->exe;
		part->level = 0;
		part->n_threads = 0;
		return true;
	case OP_EXIT_PROCESS:
		part_others_end(conductor, part);
		/* fall through */
	case OP_EXIT:
		part->is_alive = false;
		return true;
	default:
		return true;
	}
}

bool op_is_last(const struct op *op)
{
	return op->type == OP_EXEC || op->type == OP_EXIT || op->type == OP_EXIT_PROCESS;
}

/* Of 1000 operations so many are special. */
static const uint32_t weights[][OP_MAX] = {
	{[OP_SIGNAL] = 25,
	 [OP_BLOCK] = 1,
	 [OP_RETURN] = 30,
	 [OP_JUMP] = 3,
	 [OP_FORGE] = 3,
	 [OP_RESTART] = 5,
	 [OP_FORK] = 4,
	 [OP_THREAD] = 4,
	 [OP_SPAWN] = 2,
	 [OP_EXEC] = 4,
	 [OP_EXEC_FAILS] = 2,
	 [OP_EXIT] = 3,
	 [OP_EXIT_PROCESS] = 1},
	/* Deep in handlers. */
	{[OP_SIGNAL] = 150,
	 [OP_BLOCK] = 5,
	 [OP_RETURN] = 110,
	 [OP_JUMP] = 10,
	 [OP_FORGE] = 5,
	 [OP_RESTART] = 10,
	 [OP_FORK] = 5,
	 [OP_THREAD] = 5,
	 [OP_EXEC] = 3,
	 [OP_EXIT] = 2},
	/* Nothing but calls. */
	{[OP_EXEC] = 3, [OP_EXIT] = 2},
};

void script_make(struct conductor *conductor)
{
	const uint32_t *weight = weights[random_below(conductor, 3)];
	static const unsigned int noises[] = {0, 0, 5, 20, 20, 100, 400};
	struct part *part = &conductor->part[conductor->agent];
	/* Long ones and short ones: what differs for a moment only shows at an end. */
	uint32_t n = 1 + random_below(conductor, SCRIPT_OPS >> random_below(conductor, 6));
	uint32_t n_calls = 0;
	struct script *script = conductor->script;

	conductor->noise = noises[random_below(conductor, ARRAY_SIZE(noises))];
	conductor->refrain = chance(conductor, 60) ? 1 + random_below(conductor, PHRASES) : 0;
	conductor->refrain_at = 0;
	if (conductor->refrain && n > 60)
		n = 60;
	script->n_ops = 0;
	while (script->n_ops < n && n_calls < SCRIPT_CALLS - SCRIPT_REPEATS) {
		struct op *op = &script->op[script->n_ops];
		uint32_t roll = random_below(conductor, 1000);

		memset(op, 0, sizeof(*op));
		for (unsigned int type = OP_CALL + 1; type < OP_MAX && op->type == OP_CALL;
		     type++) {
			if (roll < weight[type])
				op->type = (uint8_t)type;
			roll -= weight[type];
		}
		op->count = 1;
		if (op->type == OP_CALL)
			call_set(conductor, part, op);
		else if (!special_set(conductor, part, op))
			continue;
		n_calls += op->count;
		part->trace[part->n_trace % TRACE_OPS].op = *op;
		part->trace[part->n_trace++ % TRACE_OPS].index = conductor->n_ops + script->n_ops;
		script->n_ops++;
		if (op_is_last(op))
			break;
	}
}
