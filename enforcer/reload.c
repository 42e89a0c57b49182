// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/reload.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "conf/parser.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

#define REHEARSAL_MS 1000 /* well below EBPH_HEARTBEAT_LIMIT_NS */

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

/* Where the next configuration comes from. */
struct next_source {
	const struct config_source *file; /* NULL: from texts */
	const struct conf_source *texts;
	size_t n_texts;
};

static int source_load(const struct next_source *source, struct conf **ret, struct conf_diag *diag)
{
	if (source->file)
		return config_load(source->file, ret, diag);
	return conf_parse_sources(source->texts, source->n_texts, true, ret, diag);
}

/* In a child. With the daemon's links it would keep the programs attached beyond its life. */
static void rehearsal_run(const struct next_source *source)
{
	struct conf_diag diag = {0};
	struct conf *conf;
	struct stat st;

	close_range(STDERR_FILENO + 1, ~0U, 0);
	standard_streams_leave();
	if (!source_load(source, &conf, &diag))
		stat(conf->log.events, &st);
	_exit(0);
}

/*
 * A configuration names paths, which are looked up, and a file system that does not answer (of a
 * server that is gone) would keep us waiting while others wait for us. A child of ours goes first:
 * if it does not come back, we stay. It may be that a file system stops answering just after it.
 */
static int rehearse(const struct next_source *source)
{
	struct pollfd ended = {.events = POLLIN};
	pid_t pid = fork();
	bool is_back;

	if (!pid)
		rehearsal_run(source);
	if (pid < 0)
		return -errno;
	/* Ours to wait for, so its number is no one else's. */
	ended.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	is_back = ended.fd >= 0 && poll(&ended, 1, REHEARSAL_MS) == 1;
	close_fd(&ended.fd);
	if (!is_back)
		kill(pid, SIGKILL);
	waitpid(pid, NULL, WNOHANG); /* later, where it hangs in the kernel: SIGCHLD tells */
	return is_back ? 0 : -ETIMEDOUT;
}

static int next_load(const struct next_source *source, struct conf **ret)
{
	struct conf_diag diag = {0};
	int r = rehearse(source);

	if (r) {
		log_error("the configuration cannot be read: %s%s", strerror(-r),
			  r == -ETIMEDOUT ? "; does a file system not answer on which there is "
					    "one of its files or paths?" :
					    "");
		return r;
	}
	r = source_load(source, ret, &diag);
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
	const struct next_source source = {.file = reload->source};
	CONF_CLEANUP struct conf *next = NULL;
	int r;

	log_info("reading %s again", reload->source->path);
	r = next_load(&source, &next);
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
	const struct conf_source texts[] = {
		{"the configuration in effect", current, current ? strlen(current) : 0},
		{"the new value", text, strlen(text)},
	};
	const struct next_source source = {.texts = texts, .n_texts = mode ? 1 : 2};
	CONF_CLEANUP struct conf *next = NULL;
	int r;

	if (!current)
		return -ENOMEM;
	r = next_load(&source, &next);
	if (!r && mode)
		conf_set_mode(next, *mode);
	return refused(reload, r ? r : next_take(reload, next));
}
