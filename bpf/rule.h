/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the configuration says of single programs. BPF side only. */
#ifndef EBPH_BPF_RULE_H
#define EBPH_BPF_RULE_H

#include "maps.h"

static inline struct ebph_ruling *ruling_of(const struct ebph_profile *head)
{
	__u32 number = head->rule;

	return bpf_map_lookup_elem(&rules, &number);
}

/* What holds for the processes of a profile. */
static inline const struct ebph_rule *rule_of(const struct ebph_profile *head)
{
	struct ebph_ruling *ruling = head->rule ? ruling_of(head) : NULL;

	return ruling ? &ruling->rule : &settings.rule;
}

/* Not 0 if nothing is to be known of a program: it is out of scope. */
static inline int rule_ignores(const struct ebph_profile *head, const struct ebph_rule *rule)
{
	return rule->mode == EBPH_MODE_IGNORE || (!head->rule && settings.listed_only);
}

/* Not 0 if nobody is to be delayed or refused because of @call. */
static inline int rule_allows(const struct ebph_profile *head, __u32 call)
{
	struct ebph_ruling *ruling = head->rule || settings.check_calls ? ruling_of(head) : NULL;
	__u32 word = (call & EBPH_CALL_MASK) / 64;

	return ruling && word < EBPH_CALL_WORDS &&
	       ruling->allowed_calls[word] & 1ull << (call & 63);
}

/* Not 0 if there are programs that it may execute whatever it does. */
static inline int rule_has_targets(const struct ebph_rule *rule)
{
	return settings.targets_all || rule->targets;
}

#endif
