// SPDX-License-Identifier: GPL-2.0-or-later
/* The part of the model that unit tests stand on, too: what a call deserves. */
#include "tests/bpf/model.h"

static bool is_one_of(struct model_call call, const struct model_call *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (call.abi == list[i].abi && call.number == list[i].number)
			return true;
	return false;
}

/* exit, exit_group: nobody is left to wait. */
static const struct model_call exits[] = {
	{MODEL_NATIVE, 60}, {MODEL_NATIVE, 231}, {MODEL_IA32, 1}, {MODEL_IA32, 252}};

/* execve, execveat */
static const struct model_call execs[] = {
	{MODEL_NATIVE, 59}, {MODEL_NATIVE, 322}, {MODEL_IA32, 11}, {MODEL_IA32, 358}};

#define IS_ONE_OF(call, list) is_one_of(call, list, sizeof(list) / sizeof(*(list)))

/* Step by step, until it is more than may be. */
static uint64_t delay_of(const struct model_rule *rule, uint32_t recent)
{
	uint64_t delay_ns = rule->linear ? 0 : rule->base_ns;

	for (uint32_t i = 0; i < recent && delay_ns < rule->max_ns; i++)
		delay_ns += rule->linear ? rule->base_ns : delay_ns;
	return delay_ns < rule->max_ns ? delay_ns : rule->max_ns;
}

struct model_answer model_answer(const struct model_rule *rule, struct model_call call,
				 uint32_t recent, bool anomalous)
{
	struct model_answer answer = {0, false};

	if (recent > rule->tolerance && !IS_ONE_OF(call, exits) && (anomalous || !rule->on_anomaly))
		answer.delay_ns = delay_of(rule, recent);
	answer.abort = IS_ONE_OF(call, execs) && (anomalous || recent >= rule->exec_limit);
	return answer;
}

struct model_answer model_answered(struct model *model, unsigned int number, bool anomalous,
				   uint32_t before)
{
	struct model_agent *agent = &model->agent[number];
	struct model_profile *profile = &model->profile[agent->exe];
	uint32_t lfc = model_lfc(agent);
	struct model_answer given = {0, false};

	if (anomalous || before)
		given = model_answer(
			&model->rule, model->symbol[agent->calls.at[agent->calls.n - 1]],
			lfc > profile->heat ? lfc : (uint32_t)profile->heat, anomalous);
	profile->stops += given.delay_ns > 0;
	profile->stop_ns += given.delay_ns;
	profile->aborts += given.abort;
	return given;
}
