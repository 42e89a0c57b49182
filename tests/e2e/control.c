// SPDX-License-Identifier: GPL-2.0-or-later
/* ebphctl and the control socket: every command, its success and its refusals. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/control.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

static const char *lines;

/* Starts ebphd, and has it know the example, which writes one line. */
static void start(struct daemon *daemon, const char *mode, const struct daemon_conf *conf)
{
	control_require();
	lines = strdup(program_path(PROGRAM("lines")));
	daemon_start(daemon, mode, conf);
	train(daemon, lines, (const char *const[]){lines, NULL});
}

/* ---- the story ------------------------------------------------------------------------------ */

static const struct daemon_conf long_delays = {
	.response = "delay_base = 10s\nmax_delay = 1h\ndeferral = yes\n",
};

/* A second line: the example stands still before it. */
static void delayed_start(struct daemon *daemon, struct child *child)
{
	child_start(child, (const char *const[]){lines, "a", NULL}, NULL);
	event_wait(daemon, "stop", "path", lines, NULL);
}

static const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *text(const char *format, ...)
{
	static char texts[4][256];
	static unsigned int turn;
	va_list args;

	va_start(args, format);
	vsnprintf(texts[++turn % 4], sizeof(texts[0]), format, args);
	va_end(args);
	return texts[turn % 4];
}

/* The number of the latest event of a name, as ebphctl tells it. */
static long event_number_of(const char *name)
{
	struct child child;
	const char *number;

	CHECK(RUN(&child, EBPHCTL, "events", "--json", "--name", name) == 0, "%s", child.output);
	number = strstr(child.output, "\"number\":");
	return number ? strtol(number + strlen("\"number\":"), NULL, 10) : 0;
}

static void story(void)
{
	struct daemon daemon;
	struct child child;
	const char *pid, *stop;

	start(&daemon, "enforce", &long_delays);
	delayed_start(&daemon, &child);
	pid = strdup(text("%d", child.pid));
	CTL(0, text("%7d ", child.pid), "ps", "--delayed");
	CTL(0, lines, "ps", "--delayed");
	CTL(0, "is delayed for another 1", "explain", pid);
	CTL(0, text("pid %d called write. Never seen before it: write right before it", child.pid),
	    "explain", pid);
	CTL(0, "The process was stopped for 20.0 s", "explain", pid);
	CTL(0, "ebphctl profile tolerize id:", "explain", pid);
	stop = strdup(text("event:%ld", event_number_of("stop")));
	CTL(0, "What was unusual, and the reason of it:", "explain", stop);
	CTL(0, text("pid %d called write. Never seen before it: write right before it", child.pid),
	    "explain", stop);
	CTL(0, "is training", "profile", "tolerize", lines);
	CTL(0, "released: 1", "release", pid);
	CHECK(child_wait(&child) == 0, "%s", child.output);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "%s", child.output);
	event_wait(&daemon, "release", NULL);
	CTL(0, "nobody is delayed", "ps", "--delayed");
	CTL(1, "is not delayed", "release", pid);
	CTL(0, "called write", "explain", pid); /* it has ended, and is remembered */
	daemon_stop(&daemon);
}

/* Released, and not tolerated: it is delayed again for what is new, but not for what was. */
static void released_again(void)
{
	struct daemon daemon;
	struct child children[3];

	start(&daemon, "enforce", &long_delays);
	for (int i = 0; i < 3; i++)
		delayed_start(&daemon, &children[i]);
	CTL(0, "released: 3", "release", "--all");
	for (int i = 0; i < 3; i++) {
		CHECK(child_wait(&children[i]) == 0, "%s", children[i].output);
		CHECK(events_count(&daemon, "stop", children[i].pid) == 1, "%zu stops",
		      events_count(&daemon, "stop", children[i].pid));
	}
	CTL(0, "released: 0", "release", "--all");
	daemon_stop(&daemon);
}

/* ---- each command ---------------------------------------------------------------------------- */

struct row {
	int status;
	const char *said;
	const char *words[6];
};

static void rows_run(const struct row *rows)
{
	for (; rows->words[0]; rows++)
		ctl_run(rows->status, rows->said, rows->words);
}

static void asking(void)
{
	static const struct row rows[] = {
		/* First: only the latest are kept. */
		{0, "after=normal", {"events", "--name", "state"}},
		{0, "\"event\":\"start\"", {"events", "--json", "-n", "start"}},
		{0, "health    ", {"status"}},
		{0, "mode      dry-run", {"status"}},
		{0, "\"mode\":\"dry-run\"", {"status", "--json"}},
		{0, "yes delay", {"support"}},
		{0, "\"works\":true", {"support", "--json"}},
		{0, "PROGRAM", {"ps"}},
		{0, "TID", {"ps", "-t"}},
		{0, "\"lfc\":", {"ps", "--json"}},
		{0, "nobody is delayed", {"ps", "--delayed"}},
		{0, "build/tests/progs/lines", {"profile", "list", "--state", "normal"}},
		{0, "no such profiles", {"profile", "list", "--state", "strange"}},
		{0, "\"state\":\"normal\"", {"profile", "list", "--json"}},
		{0, ", normal, ", {"profile", "show", "lines"}},
		{0, "write              ", {"profile", "show", "lines", "--pairs"}},
		{0, "current,earlier,normal,seen\n", {"profile", "show", "lines", "--csv"}},
		{0, "", {"profile", "show", "lines", "--heatmap", "/tmp/lines.svg"}},
		{1,
		 "/no/such/lines.svg: No such file",
		 {"profile", "show", "lines", "--heatmap", "/no/such/lines.svg"}},
		{1, "there is no profile of nobody", {"profile", "show", "nobody"}},
		{0,
		 "0 only in the first, 0 only in the second",
		 {"profile", "diff", "lines", "lines"}},
		{1, "there is no profile of id:9999", {"profile", "diff", "lines", "id:9999"}},
		{0, "Nothing unusual is known", {"explain", "lines"}},
		{1, "there is no process 4194305", {"explain", "4194305"}},
		{0, "Nothing unusual is the reason of it", {"explain", "event:1"}},
		{1, "event 4194305 is none of the latest", {"explain", "event:4194305"}},
		{1, "there is no profile of event:x", {"explain", "event:x"}},
		{1,
		 "\"error\":\"org.ebph.Enforcer.NoSuchProcess\"",
		 {"--json", "explain", "4194305"}},
		{0, "dry-run\n", {"mode"}},
		{0, "complete -F _ebphctl ebphctl", {"completion"}},
		{0, "exit status: 0 done", {"help"}},
		{0, "profile normalize", {"help", "profile"}},
		{0, "--delayed", {"ps", "--help"}},
		{0, "ebphctl ", {"--version"}},
		{2, "which command?", {"--json"}},
		{2, "there is no command dance", {"dance"}},
		{2, "there is no command dance", {"help", "dance"}},
		{2, "what is --quick", {"ps", "--quick"}},
		{2, "expected PROFILE", {"profile", "show"}},
		{2, "too much: b", {"explain", "a", "b"}},
		{2, "release takes the PID", {"release"}},
		{2, "release takes the PID", {"release", "1x"}},
		{2, "release takes the PID", {"release", "1", "--all"}},
		{1, "is ebphd running?", {"status", "--socket", "/no/such"}},
		{0},
	};
	struct daemon daemon;
	static const char *const parts[] = {">write</text>", "pairs of calls</text>",
					    "<title>write after ", "only seen</text>"};
	struct stat st;
	char *picture;
	size_t n;

	start(&daemon, "dry-run", NULL);
	rows_run(rows);
	picture = (char *)file_bytes("/tmp/lines.svg", &n);
	CHECK(n > 1000 && !memcmp(picture + n - 7, "</svg>\n", 7), "no picture");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		CHECK(memmem(picture, n, parts[i], strlen(parts[i])), "there is no %s", parts[i]);
	free(picture);
	unlink("/tmp/lines.svg");
	CHECK(!stat("/run/ebph/control", &st) && (st.st_mode & 07777) == 0600, "mode %o",
	      st.st_mode);
	daemon_stop(&daemon);
	CHECK(stat("/run/ebph/control", &st) != 0, "the socket is still there");
	CTL(1, "is ebphd running?", "status");
}

static void deciding(void)
{
	static const struct row rows[] = {
		{0, "called write", {"explain", "lines"}},
		{0, "would have been stopped", {"explain", "lines"}},
		{0, "1 [", {"profile", "show", "lines", "--pairs"}},
		{0, "is normal", {"profile", "sensitize", "lines"}},
		{0, "is training", {"profile", "tolerize", "lines"}},
		{0, "lines is normal", {"profile", "normalize", "--all"}},
		{2, "takes a PROFILE, or --all", {"profile", "normalize", "lines", "--all"}},
		{0, "is training", {"profile", "tolerize", "lines"}},
		{0, "is normal", {"profile", "normalize", "lines"}},
		{0, "is training", {"profile", "reset", "lines"}},
		{1, "all that it does would be an anomaly", {"profile", "normalize", "lines"}},
		{0, "has no profile any more", {"profile", "delete", "lines"}},
		{1, "there is no profile of lines", {"profile", "delete", "lines"}},
		{0, "verb=reset", {"events", "-n", "operator"}},
		{0},
	};
	const struct child_how input = {.wants_input = true};
	struct daemon daemon;
	struct child child;

	start(&daemon, "dry-run", NULL);
	CHECK(RUN(&child, lines, "a") == 0, "%s", child.output);
	event_wait(&daemon, "anomaly", "path", lines, NULL);
	rows_run(rows);
	event_wait(&daemon, "operator", "verb", "delete", "path", lines, NULL);
	child_start(&child, (const char *const[]){program_path(PROGRAM("serve")), NULL}, &input);
	child_ask(&child, "hello\n");
	CTL(1, "is running (1 threads)", "profile", "delete", text("pid:%d", child.pid));
	child_wait(&child);
	/* It has no profile, and gets one. */
	train(&daemon, lines, (const char *const[]){lines, NULL});
	daemon_stop(&daemon);
}

static void settings(void)
{
	static const struct row rows[] = {
		{0, "[response] tolerance: 0 -> 3", {"set", "response.tolerance", "3"}},
		{1, "tolerance: 'x' is not a whole number", {"set", "response.tolerance", "x"}},
		{2, "expected SECTION.OPTION", {"set", "tolerance", "3"}},
		{1, "tolerence", {"set", "response.tolerence", "3"}},
		{0, "not done, it takes a restart", {"set", "store.max_profiles", "20"}},
		{0, "enforce\n", {"mode", "enforce"}},
		{0, "enforce\n", {"mode"}},
		{0, "monitor\n", {"mode", "monitor"}},
		{1, "ebphd does not take this mode", {"mode", "ignore"}},
		{0, "[response] tolerance: 3 -> 0", {"reload"}},
		{0, "dry-run\n", {"mode"}},
		{0},
	};
	const struct daemon_conf conf = {.enforcer = "mode = dry-run\n"};
	struct daemon daemon;

	start(&daemon, NULL, &conf);
	rows_run(rows);
	CHECK(daemon_child(&daemon, GUARDIAN), "it enforced without a guardian");
	daemon_drop_in(&daemon, "[response]\ntolerance = x\n");
	CTL(1, "tolerance: 'x' is not a whole number", "reload");
	daemon_stop(&daemon);
}

/* Those to come are told as they come; colours are for a terminal. */
static void live(void)
{
	const struct child_how terminal = {.on_terminal = true};
	struct daemon daemon;
	struct child child;

	start(&daemon, "dry-run", NULL);
	child_start(&child,
		    (const char *const[]){EBPHCTL, "events", "-f", "-n", "operator,stop", NULL},
		    NULL);
	/* It may not follow yet, when the first of them comes. */
	CTL(0, "is normal", "profile", "sensitize", "lines");
	child_listen(&child);
	CHECK(strstr(child.output, "verb=sensitize"), "%s", child.output);
	CTL(0, "is training", "profile", "tolerize", "lines");
	child.n_output = 0;
	child.output[0] = '\0';
	child_listen(&child);
	CHECK(strstr(child.output, "verb=tolerize"), "%s", child.output);
	kill(child.pid, SIGTERM);
	child_wait(&child);

	CHECK(run(&child, (const char *const[]){EBPHCTL, "status", NULL}, &terminal) == 0, "%s",
	      child.output);
	CHECK(strstr(child.output, "\033["), "no colours: %s", child.output);
	CHECK(run(&child, (const char *const[]){EBPHCTL, "status", "--no-colour", NULL},
		  &terminal) == 0,
	      "%s", child.output);
	CHECK(!strstr(child.output, "\033["), "colours: %s", child.output);
	CHECK(RUN(&child, EBPHCTL, "status") == 0 && !strstr(child.output, "\033["), "%s",
	      child.output);
	daemon_stop(&daemon);
}

/* Two programs of one name, and a number that is both an id and a pid. */
static void ambiguous(void)
{
	struct daemon daemon;
	struct child child;
	const char *copy;

	start(&daemon, "dry-run", NULL);
	copy = text("%s/lines", daemon.folder);
	CHECK(RUN(&child, "/bin/sh", "-c", text("cat %s > %s; chmod 755 %s", lines, copy, copy)) ==
		      0,
	      "%s", child.output);
	train(&daemon, strdup(copy), (const char *const[]){strdup(copy), NULL});
	CTL(1, "lines may mean any of these:", "profile", "show", "lines");
	CTL(1, copy, "profile", "show", "lines");
	CTL(0, copy, "profile", "show", copy);
	CTL(0, lines, "profile", "show", lines);
	daemon_stop(&daemon);
}

/* What bash makes of a word, and of those before it. */
static void completion_is(const char *words, const char *wanted)
{
	struct child child;
	char script[768];

	snprintf(script, sizeof(script),
		 "eval \"$(" EBPHCTL " completion)\"; COMP_WORDS=(ebphctl %s); "
		 "ebphctl() { echo '{\"path\":\"/tmp/$(echo)x\"}'; echo '{\"path\":\"/bin/g++\"}'; "
		 "}; "
		 "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ebphctl; echo \"${COMPREPLY[*]}\"",
		 words);
	CHECK(RUN(&child, "/usr/bin/bash", "-c", script) == 0, "%s", child.output);
	CHECK(!strcmp(child.output, wanted), "%s: %s", words, child.output);
}

static void completion(void)
{
	struct daemon daemon;

	start(&daemon, "dry-run", NULL);
	completion_is("re", "release reload\n");
	completion_is("profile no", "normalize\n");
	completion_is("profile show lines --h", "--heatmap\n");
	completion_is("profile show /", "/bin/g++\n"); /* what a path says is not done */
	completion_is("ps --", "--threads --delayed --hot --json\n");
	completion_is("mode e", "enforce\n");
	completion_is("profile import /etc/passw", "/etc/passwd\n");
	completion_is("dance ''", "--json\n");
	daemon_stop(&daemon);
}

/* ---- who may -------------------------------------------------------------------------------- */

static void permissions(void)
{
	const struct daemon_conf conf = {.enforcer = "control_group = 65534\n"};
	const struct child_how nobody = {.uid = 65534};
	struct daemon daemon;

	start(&daemon, "dry-run", NULL);
	ctl_run_as(&nobody, 1, "root may, and members of control_group",
		   (const char *const[]){"status", NULL});
	daemon_stop(&daemon);

	start(&daemon, "dry-run", &conf);
	ctl_run_as(&nobody, 0, "health", (const char *const[]){"status", NULL});
	ctl_run_as(&nobody, 0, "dry-run", (const char *const[]){"mode", NULL});
	ctl_run_as(&nobody, 0, "lines", (const char *const[]){"profile", "list", NULL});
	ctl_run_as(&nobody, 1, "only root may do this",
		   (const char *const[]){"release", "--all", NULL});
	ctl_run_as(&nobody, 1, "only root may do this",
		   (const char *const[]){"mode", "monitor", NULL});
	ctl_run_as(&nobody, 1, "only root may do this",
		   (const char *const[]){"profile", "export", lines, "/tmp/x", NULL});
	ctl_run_as(&nobody, 1, "/etc/passwd: only root may do this",
		   (const char *const[]){"profile", "import", "/etc/passwd", NULL});
	ctl_run_as(&nobody, 1, "only root may do this",
		   (const char *const[]){"profile", "reset", lines, NULL});
	daemon_stop(&daemon);
}

static void protocol(void)
{
	struct daemon daemon;
	struct child child;

	start(&daemon, "dry-run", NULL);
	CHECK(RUN(&child, "/usr/bin/python3", "-I", "-S", "tests/e2e/control.py",
		  "/run/ebph/control", lines) == 0,
	      "%s", child.output);
	daemon_stop(&daemon);
}

const struct test control_tests[] = {
	{.name = "control: who is delayed, why, and letting it go", .run = story, .is_once = true},
	{.name = "control: all are released at once", .run = released_again, .is_once = true},
	{.name = "control: each command that asks, and its refusals",
	 .run = asking,
	 .is_once = true},
	{.name = "control: what is decided about profiles", .run = deciding, .is_once = true},
	{.name = "control: mode, options and reload", .run = settings, .is_once = true},
	{.name = "control: events as they come, colours on a terminal",
	 .run = live,
	 .is_once = true},
	{.name = "control: an ambiguous name is said to be so", .run = ambiguous, .is_once = true},
	{.name = "control: words are completed", .run = completion, .is_once = true},
	{.name = "control: root may all, a group may ask, others nothing",
	 .run = permissions,
	 .is_once = true},
	{.name = "control: a client that is not ours", .run = protocol, .is_once = true},
	{},
};
