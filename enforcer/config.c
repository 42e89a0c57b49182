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
	static const char *const names[] = {"cgroups", "exec"};
	const struct conf_option *allow_exec = conf_option_find(CONF_SECTION_BINARY, "allow_exec");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct conf_option *option = conf_option_find("allow", names[i]);
		const struct conf_place place =
			place_of(conf, conf->origins[option - conf_options]);

		if (place.line)
			conf_diag_add(diag, CONF_WARNING, &place, "[allow] %s" PENDING, names[i]);
	}
	for (size_t i = 0; i < conf->n_binaries; i++) {
		struct conf_binary *binary = conf->binaries[i];
		const struct conf_place place =
			place_of(conf, *conf_option_origin(allow_exec, NULL, binary));

		if (place.line)
			conf_diag_add(diag, CONF_WARNING, &place, "allow_exec" PENDING);
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
