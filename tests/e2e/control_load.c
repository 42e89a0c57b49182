// SPDX-License-Identifier: GPL-2.0-or-later
/* Those who mean ill at the control socket, and those who just are many: nobody is released later.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/control.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define CALL(method, more) "{\"method\":\"org.ebph.Enforcer." method "\",\"parameters\":{}" more "}"
#define STATUS		   CALL("Status", "")
#define LIST		   CALL("ListProcesses", ",\"more\":true")
#define ALL_EVENTS                                                                                 \
	"{\"method\":\"org.ebph.Enforcer.ListEvents\",\"parameters\":{\"follow\":true},\"more\":"  \
	"true}"

#define STRANGER 1234

static const char *lines;

/* ---- raw connections ------------------------------------------------------------------------ */

/* Return: a connection; -1. */
static int connection(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/ebph/control"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* With its NUL. Return: was all of it taken? */
static bool tell(int fd, const char *call)
{
	size_t bytes = strlen(call) + 1;

	return send(fd, call, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

/* Has the other side closed it? */
static bool is_cut_off(int fd)
{
	struct pollfd ready = {.fd = fd};

	return poll(&ready, 1, 0) == 1 && (ready.revents & (POLLHUP | POLLERR));
}

/* The first frame that comes, to be freed. */
static char *frame(int fd)
{
	char *text = calloc(1, 65536);
	size_t n = 0;
	ssize_t got;

	while (n < 65535 && !memchr(text, '\0', n) && (got = recv(fd, text + n, 65535 - n, 0)) > 0)
		n += (size_t)got;
	return text;
}

/* ---- how late they go on -----------------------------------------------------------------------
 */

static double time_of(const json_t *event)
{
	return json_number_value(json_object_get(event, "time"));
}

/* Delays the example @n times. Return: the latest release, in ms after it was due. */
static long lateness(struct daemon *daemon, int n)
{
	long latest = 0;

	for (int i = 0; i < n; i++) {
		struct child child;
		json_t *stop, *release;
		long late;

		CHECK(RUN(&child, lines, "a") == 0, "%s", child.output);
		stop = event_wait(daemon, "stop", "path", lines, NULL);
		release = event_wait(daemon, "release", NULL);
		late = (long)((time_of(release) - time_of(stop)) * 1000) -
		       event_number(stop, "delay_ms");
		latest = late > latest ? late : latest;
	}
	return latest;
}

static void start(struct daemon *daemon)
{
	/* Two groups: then anybody may connect, and is asked who he is. */
	const struct daemon_conf conf = {.enforcer = "control_group = 65534 65533\n",
					 .response = "delay_base = 100ms\n"};

	lines = strdup(program_path(PROGRAM("lines")));
	daemon_start(daemon, "enforce", &conf);
	train(daemon, lines, (const char *const[]){lines, NULL});
}

/* Runs @mob in processes of its own meanwhile. */
static void check_lateness(struct daemon *daemon, void (*mob)(void))
{
	long alone = lateness(daemon, 5), among;
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			mob();
	}
	among = lateness(daemon, 10);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	note("latest release: %ld ms after it was due alone, %ld ms among them", alone, among);
	/* All share one emulated processor: what it is slowed down by that is not ours. */
	CHECK(among < alone + 300, "%ld ms instead of %ld ms", among, alone);
	CHECK(kill(daemon->pid, 0) == 0, "ebphd is gone");
}

/* ---- mobs ----------------------------------------------------------------------------------- */

/* A hundred at once, all of whom ask. */
static void mob_many(void)
{
	int fds[100];

	for (int i = 0; i < 100; i++)
		fds[i] = connection();
	for (int i = 0; i < 100; i++)
		tell(fds[i], i % 2 ? LIST : STATUS);
	for (int i = 0; i < 100; i++) {
		free(frame(fds[i]));
		close(fds[i]);
	}
}

/* They ask and ask, and never read an answer. */
static void mob_silent(void)
{
	int fds[20];

	for (int i = 0; i < 20; i++) {
		fds[i] = connection();
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
	}
	for (int round = 0; round < 2000; round++)
		for (int i = 0; i < 20; i++)
			tell(fds[i], i % 2 ? LIST : ALL_EVENTS);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
}

/* 100 MB each. Return: how much of one frame of that size was taken. */
static size_t flood(void)
{
	static char megabyte[1 << 20];
	int fd = connection();
	size_t sent = 0;
	ssize_t n;

	memset(megabyte, ' ', sizeof(megabyte));
	while (sent < 100 * sizeof(megabyte) &&
	       (n = send(fd, megabyte, sizeof(megabyte), MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	close(fd);
	return sent;
}

static void mob_flood(void)
{
	flood();
}

/* The largest calls that are read, and mean nothing: @fill again and again. */
static void heavy(const char *begin, const char *fill)
{
	char call[60000];
	size_t n = (size_t)snprintf(call, sizeof(call), "%s", begin);
	int fd = connection();

	for (size_t i = 0; n < sizeof(call) - 1; i++)
		call[n++] = fill[i % strlen(fill)];
	call[n] = '\0';
	tell(fd, call);
	free(frame(fd));
	close(fd);
}

static void mob_heavy(void)
{
	heavy("{\"a\":", "[");
	heavy("{\"a\":[1", ",1");
	heavy("{\"a\":[{}", ",{}");
}

/* Who may not ask asks all the same. */
static void mob_stranger(void)
{
	if (!geteuid() && (setgroups(0, NULL) || setgid(STRANGER) || setuid(STRANGER)))
		_exit(1);
	for (int i = 0; i < 100; i++) {
		int fd = connection();

		if (fd < 0)
			continue;
		tell(fd, STATUS);
		close(fd);
	}
}

static void late_many(void)
{
	struct daemon daemon;

	start(&daemon);
	check_lateness(&daemon, mob_many);
	check_lateness(&daemon, mob_silent);
	daemon_stop(&daemon);
}

static void late_flood(void)
{
	struct daemon daemon;

	start(&daemon);
	check_lateness(&daemon, mob_flood);
	check_lateness(&daemon, mob_heavy);
	check_lateness(&daemon, mob_stranger);
	daemon_stop(&daemon);
}

/* ---- limits ------------------------------------------------------------------------------------
 */

static void hundred(void)
{
	int fds[100], answered = 0, refused = 0;
	struct daemon daemon;

	start(&daemon);
	for (int i = 0; i < 100; i++)
		fds[i] = connection();
	for (int i = 0; i < 100; i++)
		tell(fds[i], STATUS);
	for (int i = 0; i < 100; i++) {
		char *text = frame(fds[i]);

		answered += strstr(text, "\"health\"") != NULL;
		refused += strstr(text, "org.ebph.Enforcer.TooManyClients") != NULL;
		free(text);
	}
	CHECK(answered == 64 && refused == 36, "%d answered, %d refused", answered, refused);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	/* There is room again, once it has seen that they are gone. */
	for (answered = 0; !answered;) {
		int fd = connection();
		char *text;

		tell(fd, STATUS);
		text = frame(fd);
		answered = strstr(text, "\"health\"") != NULL;
		free(text);
		close(fd);
	}
	daemon_stop(&daemon);
}

/* They are turned away, are told so, and do not fill the log. */
static void strangers(void)
{
	struct daemon daemon;
	char *log, *line;
	int lines_said = 0, status;
	pid_t pid;

	start(&daemon);
	pid = fork();
	if (!pid) {
		int fd;

		for (int i = 0; i < 3; i++)
			mob_stranger();
		fd = connection();
		_exit(!strstr(frame(fd), "org.varlink.service.PermissionDenied"));
	}
	waitpid(pid, &status, 0);
	CHECK(status == 0, "status %#x: it was not told that it may not", (unsigned int)status);
	CTL(0, "health", "status");
	log = daemon_log(&daemon);
	for (line = log; (line = strstr(line, "(uid 1234) may not ask")); line++)
		lines_said++;
	CHECK(lines_said > 0 && lines_said < 100, "%d lines about 300 of them", lines_said);
	free(log);
	daemon_stop(&daemon);
}

static void cut_off(void)
{
	struct daemon daemon;
	int listener, deaf;
	size_t taken;

	start(&daemon);
	taken = flood();
	CHECK(taken < 2 << 20, "%zu bytes of one call were taken", taken);
	/* Who follows events and does not read goes when a megabyte waits for him. */
	deaf = connection();
	CHECK(tell(deaf, ALL_EVENTS), "%s", strerror(errno));
	listener = connection();
	while (!is_cut_off(deaf)) {
		char call[256];

		snprintf(call, sizeof(call),
			 "{\"method\":\"org.ebph.Enforcer.ChangeProfile\",\"parameters\":{\"name\":"
			 "\"%s\",\"verb\":\"sensitize\"}}",
			 lines);
		REQUIRE(tell(listener, call), "%s", strerror(errno));
		free(frame(listener));
	}
	CHECK(tell(listener, STATUS), "the other was cut off, too");
	close(listener);
	close(deaf);
	daemon_stop(&daemon);
}

const struct test control_load_tests[] = {
	{.name = "control: a hundred clients at once", .run = hundred, .is_once = true},
	{.name = "control: who may not ask is told so, and does not fill the log",
	 .run = strangers,
	 .is_once = true},
	{.name = "control: who sends too much, or does not read, is cut off",
	 .run = cut_off,
	 .is_once = true},
	{.name = "control: nobody is released later for many, or for silent ones",
	 .run = late_many,
	 .is_once = true,
	 .is_long = true},
	{.name = "control: nobody is released later for floods",
	 .run = late_flood,
	 .is_once = true,
	 .is_long = true},
	{},
};
