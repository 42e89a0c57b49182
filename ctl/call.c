// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls to the daemon, and its refusals in words. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl/ctl.h"
#include "enforcer/util.h"
#include "enforcer/wire.h"

#define REPLY_MAX (64u * 1024 * 1024)

/* ---- bytes --------------------------------------------------------------------------------- */

/* Kept for the next call, as long as all answers have been read. */
static int connection = -1;
static struct wire incoming;

static char trouble[512]; /* what was said last, or would have been */

__attribute__((format(printf, 2, 3))) static void complain(const struct ctl *ctl,
							   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(trouble, sizeof(trouble), format, args);
	va_end(args);
	if (!ctl->quiet)
		fprintf(stderr, "ebphctl: %s%s%s\n", printable(ctl->about, false),
			ctl->about ? ": " : "", trouble);
}

const char *ctl_trouble(void)
{
	return trouble;
}

static void disconnect(void)
{
	close_fd(&connection);
	wire_clear(&incoming);
}

/* Return: 0; -1, and why has been said. */
static int connect_to(const struct ctl *ctl)
{
	struct timeval patience = {.tv_sec = ctl->patience_s};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *hint = "";

	if (connection >= 0)
		return 0;
	if (strlen(ctl->socket) >= sizeof(address.sun_path)) {
		complain(ctl, "%s: the path is too long for a socket", ctl->socket);
		return -1;
	}
	connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, ctl->socket, strlen(ctl->socket));
	/* 0 is for ever. */
	if (connection >= 0 &&
	    !setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) &&
	    !setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) &&
	    !connect(connection, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	if (errno == ENOENT || errno == ECONNREFUSED)
		hint = " (is ebphd running?)";
	else if (errno == EACCES)
		hint = " (root may, and members of control_group in ebph.conf)";
	complain(ctl, "cannot reach ebphd at %s: %s%s", ctl->socket, strerror(errno), hint);
	disconnect();
	return -1;
}

/* A failure shows in the answer: the daemon may have said why before it closed. */
static void call_send(const char *method, json_t *parameters, bool more)
{
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *name = NULL;
	json_t *call;
	size_t sent = 0, bytes;
	ssize_t n;

	if (asprintf(&name, CTL_INTERFACE "%s", method) < 0)
		name = NULL;
	call = json_pack("{s:s, s:o}", "method", name ? name : "", "parameters", parameters);
	if (more)
		json_object_set_new(call, "more", json_true());
	text = json_dumps(call, JSON_COMPACT);
	json_decref(call);
	bytes = text ? strlen(text) + 1 : 0;
	while (sent < bytes && (n = send(connection, text + sent, bytes - sent, MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
}

/* The next reply. Return: NULL: there is none. */
static json_t *reply_receive(void)
{
	static char buffer[65536];
	json_t *reply;
	char *frame;
	ssize_t n;

	while (!(frame = wire_frame(&incoming))) {
		n = recv(connection, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || wire_add(&incoming, buffer, (size_t)n, REPLY_MAX))
			return NULL;
	}
	reply = json_loads(frame, 0, NULL);
	wire_take(&incoming, strlen(frame) + 1);
	return reply;
}

/* ---- refusals ------------------------------------------------------------------------------ */

/* Errors in words, with up to two of their parameters, text or number. */
static const struct {
	const char *error, *format, *first, *second;
} refusals[] = {
	{CTL_INTERFACE "NoSuchProfile", "there is no profile of %s", "name", NULL},
	{CTL_INTERFACE "AmbiguousProfile", "%s may mean any of these:", "name", NULL},
	{CTL_INTERFACE "NotInMemory", "the profile of %s is on disk only, until its program runs",
	 "path", NULL},
	{CTL_INTERFACE "BadProfile", "%s", "reason", NULL},
	{CTL_INTERFACE "ProfileInUse",
	 "%s is running (%s threads): end it first, or use \"profile reset\"", "path", "threads"},
	{CTL_INTERFACE "NothingLearned",
	 "nothing is known of %s: all that it does would be an anomaly", "path", NULL},
	{CTL_INTERFACE "NoSuchProcess",
	 "there is no process %s that is followed, and nothing unusual is known of one", "pid",
	 NULL},
	{CTL_INTERFACE "NoSuchEvent",
	 "event %s is none of the latest that ebphd remembers (ebphctl events shows their numbers)",
	 "event", NULL},
	{CTL_INTERFACE "NotDelayed", "process %s is not delayed", "pid", NULL},
	{CTL_INTERFACE "Refused", "%s", "reason", NULL},
	{CTL_INTERFACE "Failed", "it failed: %s", "reason", NULL},
	{CTL_INTERFACE "TooManyClients", "%s others are connected already: try again", "limit",
	 NULL},
	{"org.varlink.service.PermissionDenied", "only root may do this", NULL, NULL},
	{"org.varlink.service.InvalidParameter", "ebphd does not take this %s", "parameter", NULL},
	{"org.varlink.service.MethodNotFound",
	 "this ebphd does not know %s: it is of another version", "method", NULL},
};

/* A parameter of an error as text. */
static const char *detail(const json_t *parameters, const char *name)
{
	static char numbers[2][24];
	static int turn;
	const json_t *value = name ? json_object_get(parameters, name) : NULL;

	if (!json_is_integer(value)) /* a reason may be what several lines of the log say */
		return printable(json_string_value(value), name && !strcmp(name, "reason"));
	turn = !turn;
	snprintf(numbers[turn], sizeof(numbers[turn]), "%lld",
		 (long long)json_integer_value(value));
	return numbers[turn];
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the table's formats take text alone */

static void refusal_tell(const struct ctl *ctl, const json_t *reply)
{
	const char *error = text_of(reply, "error");
	const json_t *parameters = json_object_get(reply, "parameters"), *candidate;
	char text[sizeof(trouble)];
	size_t i;

	snprintf(text, sizeof(text), "ebphd says %s", error);
	for (i = 0; i < ARRAY_SIZE(refusals); i++)
		if (!strcmp(refusals[i].error, error))
			snprintf(text, sizeof(text), refusals[i].format,
				 detail(parameters, refusals[i].first),
				 detail(parameters, refusals[i].second));
	complain(ctl, "%s", text);
	json_array_foreach(json_object_get(parameters, "candidates"), i, candidate) {
		if (!ctl->quiet)
			fprintf(stderr, "  %s\n", printable(json_string_value(candidate), false));
	}
}

#pragma GCC diagnostic pop

/* Return: is it an answer? If not, why has been said. */
static bool reply_is_good(const struct ctl *ctl, const json_t *reply)
{
	if (!reply)
		complain(ctl, "ebphd has closed the connection");
	else if (json_object_get(reply, "error") && ctl->json && !ctl->quiet)
		json_line(reply);
	else if (json_object_get(reply, "error"))
		refusal_tell(ctl, reply);
	else
		return true;
	return false;
}

/* ---- calls ----------------------------------------------------------------------------------- */

int ctl_stream(const struct ctl *ctl, const char *method, json_t *parameters, ctl_part_fn *take,
	       void *context)
{
	bool more = true, good = true, continues = true;

	if (connect_to(ctl)) {
		json_decref(parameters);
		return CTL_REFUSED;
	}
	call_send(method, parameters, true);
	while (more && good && continues) {
		json_t *reply = reply_receive();

		good = reply_is_good(ctl, reply);
		continues = !reply || json_is_true(json_object_get(reply, "continues"));
		if (good)
			more = take(context, json_object_get(reply, "parameters"));
		json_decref(reply);
	}
	if (continues) /* there would be more to read */
		disconnect();
	return good ? CTL_DONE : CTL_REFUSED;
}

static bool keep_part(void *context, const json_t *part)
{
	json_t **ret = context;

	*ret = json_deep_copy(part);
	return false;
}

int ctl_call(const struct ctl *ctl, const char *method, json_t *parameters, json_t **ret)
{
	*ret = NULL;
	return ctl_stream(ctl, method, parameters, keep_part, ret);
}
