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
		const struct conf_option *option = &conf_options[i];

		if (!option->default_text)
			continue;
		err = conf_option_set(option, conf_option_record(option, conf, NULL),
				      option->default_text, &reason);
		if (err)
			return err;
	}
	err = conf_settle(conf);
	if (err)
		return err;
	*ret_conf = conf;
	conf = NULL;
	return 0;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf_n_options; i++)
		conf_option_clear(&conf_options[i],
				  conf_option_record(&conf_options[i], conf, NULL));
	conf_binaries_free(conf);
	for (size_t i = 0; i < conf->n_files; i++)
		free(conf->files[i]);
	free(conf->files);
	free(conf);
}

const char *conf_mode_name(enum conf_mode mode)
{
	return (unsigned int)mode <= CONF_MODE_IGNORE ? conf_mode_names[mode] : "unknown";
}

int conf_mode_from_name(const char *name, enum conf_mode *ret_mode)
{
	for (unsigned int i = 0; i <= CONF_MODE_ENFORCE; i++) {
		if (strcmp(name, conf_mode_names[i]) != 0)
			continue;
		*ret_mode = (enum conf_mode)i;
		return 0;
	}
	return -EINVAL;
}

void conf_set_mode(struct conf *conf, enum conf_mode mode)
{
	const struct conf_option *option = conf_option_find("enforcer", "mode");
	const struct conf_option *of_binary = conf_option_find(CONF_SECTION_BINARY, "mode");

	conf->enforcer.mode = conf->binary.mode = mode;
	*conf_option_origin(option, conf, NULL) = CONF_ORIGIN_COMMAND_LINE;
	for (size_t i = 0; i < conf->n_binaries; i++) {
		struct conf_binary *binary = conf->binaries[i];
		struct conf_origin *origin = conf_option_origin(of_binary, conf, binary);

		if (!origin->line || binary->settings.mode == CONF_MODE_IGNORE ||
		    binary->settings.mode <= mode)
			continue;
		binary->settings.mode = mode;
		*origin = CONF_ORIGIN_COMMAND_LINE;
	}
}
