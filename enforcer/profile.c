// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/profile.h"

#include <bpf/bpf.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

int profiles_new(struct kernel *kernel, struct profiles **ret)
{
	struct profiles *profiles = calloc(1, sizeof(*profiles));

	if (!profiles)
		return -ENOMEM;
	profiles->kernel = kernel;
	profiles->next_slot = 1;
	profiles->stock =
		kernel->n_slots / 4 < PROFILE_SLOT_STOCK ? kernel->n_slots / 4 : PROFILE_SLOT_STOCK;
	profiles->memory_limit = UINT64_MAX;
	profiles->other_memory = kernel_memory(kernel);
	profiles->notes = calloc(kernel->n_slots + 1, sizeof(*profiles->notes));
	profiles->vacant = calloc(kernel->n_slots + 1, sizeof(*profiles->vacant));
	profiles->retired = calloc(kernel->n_slots + 1, sizeof(*profiles->retired));
	if (!profiles->notes || !profiles->vacant || !profiles->retired) {
		profiles_free(profiles);
		return -ENOMEM;
	}
	*ret = profiles;
	return 0;
}

void profiles_free(struct profiles *profiles)
{
	if (!profiles)
		return;
	rules_free(&profiles->rules);
	for (uint32_t i = 0; profiles->notes && i <= profiles->kernel->n_slots; i++) {
		free(profiles->notes[i].path);
		free(profiles->notes[i].hint);
		free(profiles->notes[i].inside);
		free(profiles->notes[i].cgroup);
		free(profiles->notes[i].loaded);
	}
	for (uint32_t i = 0; i < profiles->n_placed; i++)
		close(profiles->placed[i]);
	free(profiles->notes);
	free(profiles->vacant);
	free(profiles->retired);
	free(profiles);
}

const char *state_name(enum ebph_state state)
{
	static const char *const names[] = {
		[EBPH_STATE_NONE] = "none",	  [EBPH_STATE_TRAINING] = "training",
		[EBPH_STATE_FROZEN] = "frozen",	  [EBPH_STATE_NORMAL] = "normal",
		[EBPH_STATE_LOADING] = "loading",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static uint32_t slot_state(const struct profiles *profiles, uint32_t slot)
{
	return __atomic_load_n(&profiles->kernel->heads[slot].state, __ATOMIC_RELAXED);
}

uint32_t profiles_in_state(const struct profiles *profiles, enum ebph_state state)
{
	uint32_t n = 0;

	for (uint32_t slot = 1; slot < profiles->next_slot; slot++)
		n += slot_state(profiles, slot) == state;
	return n;
}

int profile_command(struct profiles *profiles, uint32_t slot, enum ebph_verb verb)
{
	int r = profile_late_merge(profiles, slot); /* what waits was seen, too */

	return r ? r : kernel_command(profiles->kernel, slot, verb);
}
