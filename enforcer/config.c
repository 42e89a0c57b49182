// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/config.h"

#include <string.h>

#include "conf/diag.h"
#include "conf/option.h"
#include "enforcer/util.h"

#define PENDING " has no effect yet: it is checked, and no more"

static struct conf_place place_of(const struct conf *conf, struct conf_origin origin)
{
	return (struct conf_place){.file = conf->files[origin.file], .line = origin.line};
}

/* What the programs in the kernel do not know of yet. Nobody is to believe that it helps. */
static void pending_warn(const struct conf *conf, struct conf_diag *diag)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];
		const struct conf_place place = place_of(conf, conf->origins[i]);

		if (!place.line)
			continue;
		if (!strcmp(option->section, "allow"))
			conf_diag_add(diag, CONF_WARNING, &place, "[allow] %s" PENDING,
				      option->name);
		if (option == conf_option_find("enforcer", "scope") &&
		    conf->enforcer.scope != CONF_SCOPE_ALL)
			conf_diag_add(diag, CONF_WARNING, &place, "scope = listed" PENDING);
	}
	for (size_t i = 0; i < conf->n_binaries; i++) {
		const struct conf_place place = place_of(conf, conf->binaries[i]->origin);

		conf_diag_add(diag, CONF_WARNING, &place, "[" CONF_SECTION_BINARY " %s]" PENDING,
			      conf->binaries[i]->path.text);
	}
}

int config_load(const struct config_source *source, struct conf **ret, struct conf_diag *diag)
{
	int r = conf_load(source->path, ret, diag);

	if (r)
		return r;
	if (source->has_mode)
		conf_set_mode(*ret, source->mode);
	pending_warn(*ret, diag);
	return 0;
}
