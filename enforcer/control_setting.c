// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration: another mode, another value, all of it anew. */
#include <string.h>

#include "enforcer/control_parts.h"
#include "enforcer/log.h"
#include "enforcer/util.h"

/* What the log says meanwhile, line by line, is the answer. */
struct said {
	FILE *stream;
	char *text;
	size_t size;
};

static int said_begin(struct said *said)
{
	*said = (struct said){0};
	said->stream = open_memstream(&said->text, &said->size);
	log_copy(said->stream);
	return said->stream ? 0 : -ENOMEM;
}

static void said_end(struct said *said)
{
	log_copy(NULL);
	if (said->stream)
		fclose(said->stream);
	said->stream = NULL;
}

static json_t *said_lines(struct said *said)
{
	json_t *lines = json_array();
	char *rest = said->text, *line;

	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			json_array_append_new(lines, json_text(line));
	return lines;
}

static void said_reply(struct client *client, struct said *said, int r)
{
	said_end(said);
	if (r) {
		size_t n = said->text ? strlen(said->text) : 0;

		if (n)
			said->text[n - 1] = '\0'; /* the last line end */
		client_fail(client, ERROR(Refused),
			    json_pack("{s:o}", "reason", json_text(n ? said->text : strerror(-r))));
	} else {
		client_reply(client, json_pack("{s:o}", "said", said_lines(said)), false);
	}
	free(said->text);
}

static void who_tell(struct control *control, const struct client *client, const char *verb)
{
	log_info("control: %s, asked for by process %d (uid %u)", verb, client->pid, client->uid);
	event_self(control->reload.sink, "operator",
		   json_pack("{s:s, s:i, s:i}", "verb", verb, "by_pid", (int)client->pid, "by_uid",
			     (int)client->uid));
}

void method_reload(struct control *control, struct client *client)
{
	struct said said;
	int r;

	who_tell(control, client, "reload");
	r = said_begin(&said);
	said_reply(client, &said, r ? r : config_reload(&control->reload));
}

void method_option(struct control *control, struct client *client)
{
	const char *section = client_string(client, "section");
	const char *name = client_string(client, "name");
	const char *value = client_string(client, "value");
	AUTO_FREE char *text = NULL;
	struct said said;
	int r;

	/* Nothing but this one option. */
	if (strpbrk(section, "\n\r]") || strpbrk(name, "\n\r=[") || strpbrk(value, "\n\r")) {
		client_fail(client, SERVICE_ERROR(InvalidParameter),
			    json_pack("{s:s}", "parameter", "value"));
		return;
	}
	if (asprintf(&text, "[%s]\n%s = %s\n", section, name, value) < 0) {
		text = NULL;
		client_fail_errno(client, -ENOMEM);
		return;
	}
	who_tell(control, client, "set");
	r = said_begin(&said);
	said_reply(client, &said, r ? r : config_change(&control->reload, text, NULL));
}

void method_mode(struct control *control, struct client *client)
{
	const char *name = client_string(client, "mode");
	enum conf_mode mode;
	struct said said;
	int r;

	if (name && conf_mode_from_name(name, &mode)) {
		client_fail(client, SERVICE_ERROR(InvalidParameter),
			    json_pack("{s:s}", "parameter", "mode"));
		return;
	}
	if (name) {
		who_tell(control, client, "mode");
		r = said_begin(&said);
		if (!r)
			r = config_change(&control->reload, "", &mode);
		if (r) {
			said_reply(client, &said, r);
			return;
		}
		said_end(&said);
		free(said.text);
	}
	client_reply(
		client,
		json_pack("{s:s}", "mode", conf_mode_name(control->reload.conf->enforcer.mode)),
		false);
}
