// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/rule.h"

#include <bpf/bpf.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/option.h"
#include "enforcer/log.h"
#include "enforcer/profile.h"
#include "enforcer/util.h"

/* The programs know nothing of the configuration. */
static_assert((int)CONF_MODE_IGNORE == (int)EBPH_MODE_IGNORE &&
		      (int)CONF_CURVE_LINEAR == (int)EBPH_CURVE_LINEAR &&
		      (int)CONF_DELAY_ON_ANOMALY == (int)EBPH_DELAY_ON_ANOMALY,
	      "one order of names");

/* ---- one ----------------------------------------------------------------------------------- */

static void calls_add(struct ebph_ruling *ruling, const struct conf_list *calls)
{
	for (size_t i = 0; i < calls->n; i++) {
		uint32_t call = calls->words[i].id & EBPH_CALL_MASK;

		ruling->allowed_calls[call / 64] |= 1ull << (call % 64);
	}
}

void rule_of_settings(const struct conf_settings *settings, struct ebph_rule *ret)
{
	ret->normal_wait_ns = settings->normal_wait_ns;
	ret->delay_base_ns = settings->delay_base_ns;
	ret->max_delay_ns = settings->max_delay_ns;
	ret->tolerance = settings->tolerance;
	ret->exec_abort_limit = settings->exec_abort_limit;
	ret->anomaly_limit = settings->anomaly_limit;
	ret->tolerize_limit = settings->tolerize_limit;
	ret->delay_curve = (__u32)settings->delay_curve;
	ret->delay_on = (__u32)settings->delay_on;
	ret->mode = (__u32)settings->mode;
}

static void ruling_of_settings(const struct rules *rules, const struct conf_settings *settings,
			       struct ebph_ruling *ret)
{
	const struct conf *conf = rules->conf;

	memset(ret, 0, sizeof(*ret)); /* they are compared as bytes */
	rule_of_settings(settings, &ret->rule);
	ret->rule.targets = finder_list(conf, &settings->allow_exec, rules->finder.first_list);
	calls_add(ret, &conf->allow.calls);
	calls_add(ret, &settings->allow_calls);
}

/* Of a program whose path is known, or that lies in a container. Return: is it as for all others?
 */
static bool ruling_make(const struct rules *rules, const struct profile_note *note,
			struct ebph_ruling *ret)
{
	const struct conf *conf = rules->conf;
	struct conf_effective effective;
	struct ebph_ruling others;

	conf_for_others(conf, &effective);
	ruling_of_settings(rules, &effective.settings, &others);
	if (note->path)
		conf_for_path(conf, note->path, &effective);
	else
		conf_for_container(conf, note->inside, note->cgroup, &effective);
	ruling_of_settings(rules, &effective.settings, ret);
	ret->rule.allowed = note->path && conf_list_matches(&conf->allow.executables, note->path);
	/* Who has a rule is in scope. */
	if (conf->enforcer.scope == CONF_SCOPE_LISTED)
		return !effective.listed;
	return !memcmp(ret, &others, sizeof(others));
}

/* ---- those in the kernel ------------------------------------------------------------------- */

/* Return: the number of a rule, which is put into the kernel if it is not there; 0: as others. */
static uint32_t rule_number(struct rules *rules, const struct ebph_ruling *ruling)
{
	int map = kernel_rules_fd(rules->kernel);
	void *more;

	for (size_t i = 0; i < rules->n; i++)
		if (!memcmp(&rules->known[i].ruling, ruling, sizeof(*ruling)))
			return rules->known[i].number;
	more = reallocarray(rules->known, rules->n + 1, sizeof(*rules->known));
	if (!more)
		return 0;
	rules->known = more;
	rules->last++;
	if (bpf_map_update_elem(map, &rules->last, ruling, BPF_ANY)) {
		log_error("no room in the kernel for what is different for a program: %s",
			  strerror(errno));
		return 0;
	}
	rules->known[rules->n].number = rules->last;
	rules->known[rules->n++].ruling = *ruling;
	return rules->last;
}

/* Windows are verified anew, and who was out of scope looks whether he still is. */
static void generation_begin(struct kernel *kernel)
{
	__atomic_add_fetch(&kernel_settings(kernel)->generation, 1, __ATOMIC_ACQ_REL);
}

void rule_apply(struct profiles *profiles, uint32_t slot)
{
	struct rules *rules = &profiles->rules;
	struct ebph_profile *head = &profiles->kernel->heads[slot];
	const struct profile_note *note = &profiles->notes[slot];
	struct ebph_ruling ruling;
	uint32_t number = 0, before;

	if (!rules->conf)
		return;
	if ((note->path || note->inside) && !ruling_make(rules, note, &ruling))
		number = rule_number(rules, &ruling);
	before = __atomic_exchange_n(&head->rule, number, __ATOMIC_ACQ_REL);
	/* Its processes may have found it out of scope while its name was not known. */
	if (!before && number && rules->conf->enforcer.scope == CONF_SCOPE_LISTED)
		generation_begin(rules->kernel);
}

/* ---- all ------------------------------------------------------------------------------------- */

/* Those calls that are allowed to everybody. */
static int others_store(struct rules *rules)
{
	struct conf_effective effective;
	struct ebph_ruling ruling;
	uint32_t others = 0;

	conf_for_others(rules->conf, &effective);
	ruling_of_settings(rules, &effective.settings, &ruling);
	if (bpf_map_update_elem(kernel_rules_fd(rules->kernel), &others, &ruling, BPF_ANY))
		return -errno;
	kernel_settings(rules->kernel)->check_calls = rules->conf->allow.calls.n != 0;
	return 0;
}

static int users_store(struct rules *rules)
{
	const struct conf_list *users = &rules->conf->allow.users;
	int map = kernel_allowed_users_fd(rules->kernel);
	__u32 uid, next;
	__u8 yes = 1;
	bool more;

	for (size_t i = 0; i < users->n; i++)
		if (bpf_map_update_elem(map, &users->words[i].id, &yes, BPF_ANY))
			return -errno;
	more = !bpf_map_get_next_key(map, NULL, &next);
	while (more) {
		uid = next;
		more = !bpf_map_get_next_key(map, &uid, &next);
		if (!conf_list_has_id(users, uid))
			bpf_map_delete_elem(map, &uid);
	}
	kernel_settings(rules->kernel)->check_users = users->n != 0;
	return 0;
}

/* Has what may be executed looked for. Logs what is wrong; then it is as if nothing were allowed.
 */
static void targets_begin(struct rules *rules)
{
	int r;

	rules->finder = (struct finder){0};
	if (!finder_wanted(rules->conf))
		return;
	r = kernel_ask_targets(rules->kernel);
	if (r == -ENOTSUP)
		log_warn("[ALLOW] EXEC AND ALLOW_EXEC HAVE NO EFFECT: nothing on this kernel can "
			 "ask what an execve executes before it does");
	else if (!r)
		r = finder_new(rules->kernel, rules->conf, rules->last_list + 1, &rules->finder);
	if (r && r != -ENOTSUP)
		log_error("[allow] exec and allow_exec have no effect: %s", strerror(-r));
	rules->last_list += rules->finder.n_lists;
}

static void targets_take(struct rules *rules)
{
	kernel_settings(rules->kernel)->targets_all =
		finder_list(rules->conf, &rules->conf->allow.exec, rules->finder.first_list);
}

int rules_renew(struct profiles *profiles, const struct conf *conf)
{
	struct rules *rules = &profiles->rules, old = *rules;
	int r;

	rules->kernel = profiles->kernel;
	rules->conf = conf;
	rules->known = NULL;
	rules->n = 0;
	targets_begin(rules);
	targets_take(rules);
	kernel_settings(rules->kernel)->listed_only = conf->enforcer.scope == CONF_SCOPE_LISTED;
	r = others_store(rules);
	if (!r)
		r = users_store(rules);
	if (!r)
		r = cgroups_renew(&rules->cgroups, rules->kernel, &conf->allow.cgroups);
	if (r)
		log_error("the kernel does not take what is allowed: %s", strerror(-r));
	for (uint32_t slot = 1; slot < profiles->next_slot; slot++)
		if (profiles->notes[slot].path || profiles->notes[slot].inside)
			rule_apply(profiles, slot);
	for (size_t i = 0; i < old.n; i++)
		bpf_map_delete_elem(kernel_rules_fd(rules->kernel), &old.known[i].number);
	free(old.known);
	finder_end(&old.finder);
	finder_forget(rules->kernel, &rules->finder);
	generation_begin(rules->kernel);
	return r;
}

/* It has died: another one, for the same files. */
static void finder_renew(struct rules *rules)
{
	const uint32_t first_list = rules->finder.first_list;
	int r;

	log_warn("the process that looks for the files that may be executed died: starting "
		 "another");
	finder_end(&rules->finder);
	r = finder_new(rules->kernel, rules->conf, first_list, &rules->finder);
	if (r)
		log_error("it cannot be started: %s; [allow] exec and allow_exec have no effect",
			  strerror(-r));
}

void rules_tick(struct rules *rules)
{
	if (!rules->conf)
		return;
	cgroups_renew(&rules->cgroups, rules->kernel, &rules->conf->allow.cgroups);
	if (finder_has_died(&rules->finder))
		finder_renew(rules);
}

void rules_free(struct rules *rules)
{
	free(rules->known);
	rules->known = NULL;
	rules->n = 0;
	finder_end(&rules->finder);
	cgroups_free(&rules->cgroups);
}
