/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"

int conf_new_default(struct conf **ret_conf)
{
	CONF_CLEANUP struct conf *conf = calloc(1, sizeof(*conf));
	struct conf_reason reason;
	int err;

	if (!conf)
		return -ENOMEM;
	for (size_t i = 0; i < conf_n_options; i++) {
		err = conf_option_set(&conf_options[i], conf, conf_options[i].default_text,
				      &reason);
		if (err)
			return err;
	}
	*ret_conf = conf;
	conf = NULL;
	return 0;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf_n_options; i++)
		conf_option_clear(&conf_options[i], conf);
	for (size_t i = 0; i < conf->n_files; i++)
		free(conf->files[i]);
	free(conf->files);
	free(conf);
}

const char *conf_mode_name(enum conf_mode mode)
{
	return (unsigned int)mode <= CONF_MODE_ENFORCE ? conf_mode_names[mode] : "unknown";
}

int conf_mode_from_name(const char *name, enum conf_mode *ret_mode)
{
	for (unsigned int i = 0; conf_mode_names[i]; i++) {
		if (strcmp(name, conf_mode_names[i]) != 0)
			continue;
		*ret_mode = (enum conf_mode)i;
		return 0;
	}
	return -EINVAL;
}

void conf_set_mode(struct conf *conf, enum conf_mode mode)
{
	conf->enforcer.mode = mode;
	*conf_option_origin(conf_option_find("enforcer", "mode"), conf) = CONF_ORIGIN_COMMAND_LINE;
}
