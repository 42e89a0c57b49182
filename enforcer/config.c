// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/config.h"

#include "conf/diag.h"
#include "conf/option.h"
#include "enforcer/util.h"

static void pending_say(const struct conf *conf, struct conf_origin origin, const char *what,
			const char *which, struct conf_diag *diag)
{
	const struct conf_place place = {.file = conf->files[origin.file], .line = origin.line};

	conf_diag_add(diag, CONF_WARNING, &place,
		      "%s%s has no effect yet: it is checked, and no more", what, which);
}

/* What the programs in the kernel do not know of yet. Nobody is to believe that it helps. */
static void pending_warn(const struct conf *conf, struct conf_diag *diag)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];

		if (conf_section_find("allow") == conf_section_find(option->section) &&
		    conf->origins[i].line)
			pending_say(conf, conf->origins[i], "[allow] ", option->name, diag);
		if (option == conf_option_find("enforcer", "scope") &&
		    conf->enforcer.scope != CONF_SCOPE_ALL)
			pending_say(conf, conf->origins[i], "scope = ", "listed", diag);
	}
	for (size_t i = 0; i < conf->n_binaries; i++)
		pending_say(conf, conf->binaries[i]->origin, "section [binary] ",
			    conf->binaries[i]->path.text, diag);
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
