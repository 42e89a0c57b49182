// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/harness/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/tap.h"

#define ARGUMENTS_MAX 16

/* ---- starting and ending ----------------------------------------------------------------- */

static void path_in(const struct daemon *daemon, const char *name, char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s", daemon->folder, name);
}

static void conf_write(const struct daemon *daemon, const struct daemon_conf *conf)
{
	static const struct daemon_conf plain;
	const char *response;
	char path[128];
	FILE *file;

	conf = conf ? conf : &plain;
	/* Some fifty hooks less to be attached and detached, unless the test is about them. */
	response = conf->response ? conf->response : "";
	path_in(daemon, "ebph.conf", path, sizeof(path));
	file = fopen(path, "we");
	REQUIRE(file, "%s: %s", path, strerror(errno));
	fprintf(file,
		"[enforcer]\n%s[detection]\n%s[response]\n%s%s[drill]\n%s[store]\n%sstate_dir = "
		"%s%s\n"
		"[log]\nevents = %s/events\n",
		conf->enforcer ? conf->enforcer : "",
		conf->detection ? conf->detection : DETECTION_QUICK, response,
		strstr(response, "deferral") ? "" : "deferral = no\n",
		conf->drill ? conf->drill : "", conf->store ? conf->store : "",
		conf->state_dir ? conf->state_dir : daemon->folder, conf->state_dir ? "" : "/state",
		daemon->folder); /* "": none */
	fclose(file);
}

static void folder_prepare(struct daemon *daemon)
{
	char path[128];
	int fd;

	memset(daemon, 0, sizeof(*daemon));
	daemon->events = json_array();
	strcpy(daemon->folder, "/tmp/ebph-XXXXXX");
	REQUIRE(mkdtemp(daemon->folder), "%s", strerror(errno));
	path_in(daemon, "events", path, sizeof(path));
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	daemon->events_fd = open(path, O_RDONLY | O_CLOEXEC);
	daemon->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	REQUIRE(daemon->events_fd >= 0 && daemon->watch_fd >= 0 &&
			inotify_add_watch(daemon->watch_fd, path, IN_MODIFY) >= 0,
		"%s", strerror(errno));
}

static void ebphd_exec(const struct daemon *daemon, const char *mode, int log_fd,
		       const char *const *more)
{
	char conf[128], log[128];
	const char *argv[ARGUMENTS_MAX] = {
		"build/ebphd",
		"--foreground",
		"--config",
		conf,
	};
	int fd, n = 4;

	path_in(daemon, "ebph.conf", conf, sizeof(conf));
	path_in(daemon, "log", log, sizeof(log));
	if (mode) {
		argv[n++] = "--mode";
		argv[n++] = mode;
	}
	for (; more && *more && n < ARGUMENTS_MAX - 1; more++)
		argv[n++] = *more;
	fd = log_fd ? log_fd : open(log, O_CREAT | O_WRONLY | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

char *daemon_log(struct daemon *daemon)
{
	char path[128], *text = NULL;
	size_t size = 0;
	FILE *file;

	path_in(daemon, "log", path, sizeof(path));
	file = fopen(path, "re");
	if (!file || getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	if (file)
		fclose(file);
	return text;
}

void daemon_log_await(struct daemon *daemon, const char *text)
{
	char *log = daemon_log(daemon);

	while (!strstr(log, text)) {
		free(log);
		poll(NULL, 0, 10);
		log = daemon_log(daemon);
	}
	free(log);
}

/* Says which rungs the answers are on, in ebphd's own words, unless it was the same last time. */
static void rungs_note(struct daemon *daemon)
{
	static char last[160];
	char *log = daemon_log(daemon), *line = strstr(log, "answered by ");

	if (line) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, last, sizeof(last) - 1))
			note("%s", line);
		snprintf(last, sizeof(last), "%s", line);
	}
	free(log);
}

void daemon_start_with(struct daemon *daemon, const char *mode, const struct daemon_conf *conf,
		       const char *const *arguments)
{
	folder_prepare(daemon);
	conf_write(daemon, conf);
	daemon->pid = fork();
	REQUIRE(daemon->pid >= 0, "fork: %s", strerror(errno));
	if (!daemon->pid)
		ebphd_exec(daemon, mode, conf ? conf->log_fd : 0, arguments);
	event_wait(daemon, "start", NULL);
	rungs_note(daemon);
}

void daemon_start(struct daemon *daemon, const char *mode, const struct daemon_conf *conf)
{
	daemon_start_with(daemon, mode, conf, NULL);
}

void daemon_drop_in(const struct daemon *daemon, const char *text)
{
	char path[128];
	FILE *file;

	path_in(daemon, "ebph.conf.d", path, sizeof(path));
	REQUIRE(!mkdir(path, 0700) || errno == EEXIST, "%s: %s", path, strerror(errno));
	path_in(daemon, "ebph.conf.d/test.conf", path, sizeof(path));
	file = fopen(path, "we");
	REQUIRE(file, "%s: %s", path, strerror(errno));
	fputs(text, file);
	fclose(file);
}

json_t *daemon_reload(struct daemon *daemon, const char *text, const char *result)
{
	daemon_drop_in(daemon, text);
	kill(daemon->pid, SIGHUP);
	return event_wait(daemon, "reload", "result", result, NULL);
}

void daemon_reload_for(struct daemon *daemon, const char *format, const char *path)
{
	char text[1024];

/* The formats stand in the tests. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), format, path);
#pragma GCC diagnostic pop
	note("%s", text);
	daemon_reload(daemon, text, "taken");
}

static bool events_read(struct daemon *daemon);

int daemon_wait(struct daemon *daemon)
{
	int status = 0;

	REQUIRE(waitpid(daemon->pid, &status, 0) == daemon->pid, "%s", strerror(errno));
	while (events_read(daemon))
		;
	daemon->pid = 0;
	return status;
}

void daemon_stop(struct daemon *daemon)
{
	int status;

	kill(daemon->pid, SIGTERM);
	status = daemon_wait(daemon);
	if (!CHECK(status == 0, "ebphd ended with status %#x", (unsigned int)status)) {
		char *log = daemon_log(daemon);

		note("its log: %s", log);
		free(log);
	}
}

pid_t daemon_child(const struct daemon *daemon, const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], line[512], wanted[32];
	int parent, found = 0;
	char state;

	snprintf(wanted, sizeof(wanted), "(%s)", name);
	while (proc && !found && (entry = readdir(proc))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(line, sizeof(line), file) && strstr(line, wanted) &&
		    sscanf(strrchr(line, ')'), ") %c %d", &state, &parent) == 2 &&
		    parent == daemon->pid && state != 'Z')
			found = atoi(entry->d_name);
		if (file)
			fclose(file);
	}
	if (proc)
		closedir(proc);
	return found;
}

void daemon_kill_both(struct daemon *daemon)
{
	pid_t guardian = daemon_child(daemon, GUARDIAN);
	int status;

	REQUIRE(guardian > 0, "there is no guardian");
	kill(daemon->pid, SIGSTOP);
	REQUIRE(waitpid(daemon->pid, &status, WUNTRACED) == daemon->pid && WIFSTOPPED(status),
		"the daemon does not stop");
	kill(guardian, SIGKILL);
	kill(daemon->pid, SIGKILL);
	CHECK(WIFSIGNALED(daemon_wait(daemon)), "it did not die");
}

/* ---- events ------------------------------------------------------------------------------ */

static void line_take(struct daemon *daemon, const char *line)
{
	json_error_t error;
	json_t *event = json_loads(line, 0, &error);

	if (CHECK(event, "an event is no JSON: %s in %s", error.text, line))
		json_array_append_new(daemon->events, event);
}

/* Return: false when there is nothing more at the moment. */
static bool events_read(struct daemon *daemon)
{
	size_t have = daemon->partial ? strlen(daemon->partial) : 0;
	char buffer[4096], *line, *end;
	ssize_t n = read(daemon->events_fd, buffer, sizeof(buffer));

	if (n <= 0)
		return false;
	daemon->partial = realloc(daemon->partial, have + (size_t)n + 1);
	memcpy(daemon->partial + have, buffer, (size_t)n);
	daemon->partial[have + (size_t)n] = '\0';
	for (line = daemon->partial; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		line_take(daemon, line);
	}
	memmove(daemon->partial, line, strlen(line) + 1);
	return true;
}

void events_await(struct daemon *daemon, int limit_ms)
{
	struct pollfd watch = {.fd = daemon->watch_fd, .events = POLLIN};
	char buffer[4096];
	int status;

	if (poll(&watch, 1, limit_ms) > 0 && read(daemon->watch_fd, buffer, sizeof(buffer)) < 0)
		note("inotify: %s", strerror(errno));
	if (daemon->pid && waitpid(daemon->pid, &status, WNOHANG) == daemon->pid) {
		char *log = daemon_log(daemon);

		CHECK(false, "ebphd ended with status %#x; its log: %s", (unsigned int)status, log);
		test_end();
	}
}

const char *event_text(const json_t *event, const char *member)
{
	const char *text = json_string_value(json_object_get(event, member));

	return text ? text : "";
}

long event_number(const json_t *event, const char *member)
{
	const json_t *value = json_object_get(event, member);

	return json_is_integer(value) ? (long)json_integer_value(value) : -1;
}

static bool event_matches(const json_t *event, const char *name, va_list pairs)
{
	const char *member, *value;

	if (strcmp(event_text(event, "event"), name))
		return false;
	while ((member = va_arg(pairs, const char *))) {
		value = va_arg(pairs, const char *);
		if (strcmp(event_text(event, member), value))
			return false;
	}
	return true;
}

json_t *event_wait(struct daemon *daemon, const char *name, ...)
{
	for (;;) {
		while (daemon->next < json_array_size(daemon->events)) {
			json_t *event = json_array_get(daemon->events, daemon->next++);
			va_list pairs;
			bool matches;

			va_start(pairs, name);
			matches = event_matches(event, name, pairs);
			va_end(pairs);
			if (matches)
				return event;
		}
		if (!events_read(daemon))
			events_await(daemon, 1000); /* ebphd may die without a further word */
	}
}

static bool event_is(const json_t *event, const char *name, pid_t pid)
{
	return !strcmp(event_text(event, "event"), name) &&
	       (!pid || event_number(event, "pid") == pid);
}

json_t *event_at(struct daemon *daemon, const char *name, pid_t pid, size_t i)
{
	json_t *event;
	size_t at;

	while (events_read(daemon))
		;
	json_array_foreach(daemon->events, at, event)
		if (event_is(event, name, pid) && !i--)
			return event;
	return NULL;
}

size_t events_count(struct daemon *daemon, const char *name, pid_t pid)
{
	json_t *event;
	size_t i, n = 0;

	while (events_read(daemon))
		;
	json_array_foreach(daemon->events, i, event)
		n += event_is(event, name, pid);
	return n;
}

size_t events_count_of(struct daemon *daemon, const char *name, const char *path)
{
	json_t *event;
	size_t i, n = 0;

	while (events_read(daemon))
		;
	json_array_foreach(daemon->events, i, event)
		n += !strcmp(event_text(event, "event"), name) &&
		     !strcmp(event_text(event, "path"), path);
	return n;
}

/* ---- training ---------------------------------------------------------------------------- */

const char *program_path(const char *relative)
{
	static char path[PATH_MAX];

	REQUIRE(realpath(relative, path), "%s: %s", relative, strerror(errno));
	return path;
}

bool lsm_has_bpf(void)
{
	char text[256] = "";
	FILE *file = fopen("/sys/kernel/security/lsm", "re");

	if (file && !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	return strstr(text, "bpf");
}

json_t *counters_ask(struct daemon *daemon)
{
	REQUIRE(!kill(daemon->pid, SIGUSR1), "%s", strerror(errno));
	return event_wait(daemon, "counters", NULL);
}

void nothing_lost(struct daemon *daemon)
{
	static const char *const names[] = {
		"no_task_state", "no_set",     "profile_not_stored",
		"set_full",	 "event_lost", "save_failed",
		"load_failed",	 "malformed",  "journal_failed",
	};
	json_t *counters = counters_ask(daemon);

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		CHECK(event_number(counters, names[i]) == 0, "%s %ld", names[i],
		      event_number(counters, names[i]));
}

bool event_seen(struct daemon *daemon, const char *name, const char *path, const char *after)
{
	json_t *event;

	for (size_t i = 0; (event = event_at(daemon, name, 0, i)); i++)
		if (!strcmp(event_text(event, "path"), path) &&
		    (!after || !strcmp(event_text(event, "after"), after)))
			return true;
	return false;
}
