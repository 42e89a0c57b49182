// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/config.h"

#include "conf/diag.h"

int config_load(const struct config_source *source, struct conf **ret, struct conf_diag *diag)
{
	int r = conf_load(source->path, ret, diag);

	if (r)
		return r;
	if (source->has_mode)
		conf_set_mode(*ret, source->mode);
	return 0;
}
