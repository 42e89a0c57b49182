// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/reload.h"

#include <string.h>

#include "conf/parser.h"
#include "enforcer/log.h"
#include "enforcer/util.h"

int config_fits(const struct conf *conf, struct profiles *profiles)
{
	const uint64_t memory = profiles_memory(profiles) - profiles->pair_memory;

	if (memory + conf->store.memory_limit / 8 <= conf->store.memory_limit)
		return 0;
	log_error("memory_limit is too little: without a single profile the maps take "
		  "%.1f MB (with max_profiles = %u)",
		  (double)memory / 1e6, profiles->kernel->n_slots);
	return -EINVAL;
}

/* Line by line: there may be many. */
static void diag_log(const struct conf_diag *diag, int priority)
{
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	conf_diag_print(diag, out);
	if (fclose(out))
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_line(priority, "%s", line);
}

static int next_load(const struct reload *reload, struct conf **ret)
{
	struct conf_diag diag = {0};
	int r = config_load(reload->source, ret, &diag);

	diag_log(&diag, r ? LOG_ERR : LOG_WARNING);
	conf_diag_clear(&diag);
	return r;
}

static void change_log(void *context, const char *line, bool at_start)
{
	++*(unsigned int *)context;
	if (at_start)
		log_warn("%s: not done, it takes a restart", line);
	else
		log_info("%s", line);
}

/* All that can fail. Nothing that is in effect is touched. */
static int next_prepare(const struct reload *reload, const struct conf *next,
			struct journal *journal)
{
	int r = config_fits(next, reload->profiles);

	if (!r)
		r = enforcing_possible(next, reload->enforcing->kernel->rung);
	if (r)
		return r;
	r = journal_open(journal, next->log.events);
	if (r) {
		log_error("cannot open the event file %s: %s", next->log.events, strerror(-r));
		return r;
	}
	if (conf_enforces(next))
		r = enforcing_begin(reload->enforcing);
	if (r)
		journal_close(journal);
	return r;
}

/* Cannot fail. @next gets what was in effect. */
static void next_adopt(const struct reload *reload, struct conf *next, struct journal *journal)
{
	const bool enforced = conf_enforces(reload->conf);

	conf_keep(next, reload->conf, NULL, NULL);
	conf_exchange(reload->conf, next);
	kernel_configure(reload->enforcing->kernel, reload->conf);
	rules_renew(reload->profiles, reload->conf);
	reload->profiles->memory_limit = reload->conf->store.memory_limit;
	journal->failed = reload->sink->journal.failed;
	journal->on_line = reload->sink->journal.on_line;
	journal->context = reload->sink->journal.context;
	journal_close(&reload->sink->journal);
	reload->sink->journal = *journal;
	if (enforced && !conf_enforces(reload->conf))
		log_info("not enforcing any more: nobody is delayed anew; who is delayed goes on "
			 "when his time is over");
}

/* The last part of a change: all that can fail, then what cannot. */
static int next_take(const struct reload *reload, struct conf *next)
{
	struct journal journal = {.fd = -1};
	unsigned int n_changes = 0;
	int r = next_prepare(reload, next, &journal);

	if (r)
		return r;
	if (conf_diff(reload->conf, next, change_log, &n_changes))
		log_warn("not all changes could be told: no memory");
	next_adopt(reload, next, &journal);
	log_info("the configuration is taken: %u changes", n_changes);
	event_self(reload->sink, "reload",
		   json_pack("{s:s, s:i, s:s}", "result", "taken", "changes", (int)n_changes,
			     "mode", conf_mode_name(reload->conf->enforcer.mode)));
	return 0;
}

static int refused(const struct reload *reload, int r)
{
	if (!r)
		return 0;
	log_error("the configuration is not taken, all stays as it was");
	event_self(reload->sink, "reload", json_pack("{s:s}", "result", "refused"));
	return r;
}

int config_reload(const struct reload *reload)
{
	CONF_CLEANUP struct conf *next = NULL;
	int r;

	log_info("reading %s again", reload->source->path);
	r = next_load(reload, &next);
	return refused(reload, r ? r : next_take(reload, next));
}

/* What is in effect, as text. Return: on the heap; NULL: no memory. */
static char *conf_text(const struct conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	conf_dump(conf, false, out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

int config_change(const struct reload *reload, const char *text, const enum conf_mode *mode)
{
	AUTO_FREE char *current = conf_text(reload->conf);
	const struct conf_source sources[] = {
		{"the configuration in effect", current, current ? strlen(current) : 0},
		{"the new value", text, strlen(text)},
	};
	CONF_CLEANUP struct conf *next = NULL;
	struct conf_diag diag = {0};
	int r;

	if (!current)
		return -ENOMEM;
	r = conf_parse_sources(sources, mode ? 1 : 2, true, &next, &diag);
	diag_log(&diag, r ? LOG_ERR : LOG_WARNING);
	conf_diag_clear(&diag);
	if (!r && mode)
		conf_set_mode(next, *mode);
	return refused(reload, r ? r : next_take(reload, next));
}
