// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls to the daemon, and its refusals in words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl/ctl.h"
#include "enforcer/util.h"
#include "enforcer/wire.h"

#define REPLY_MAX (64u * 1024 * 1024)

/* ---- bytes --------------------------------------------------------------------------------- */

static int connect_to(const struct ctl *ctl)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *hint = "";

	if (strlen(ctl->socket) >= sizeof(address.sun_path)) {
		fprintf(stderr, "ebphctl: %s: the path is too long for a socket\n", ctl->socket);
		return -1;
	}
	memcpy(address.sun_path, ctl->socket, strlen(ctl->socket));
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return TAKE_FD(fd);
	if (errno == ENOENT || errno == ECONNREFUSED)
		hint = " (is ebphd running?)";
	else if (errno == EACCES)
		hint = " (root may, and members of control_group in ebph.conf)";
	fprintf(stderr, "ebphctl: cannot reach ebphd at %s: %s%s\n", ctl->socket, strerror(errno),
		hint);
	return -1;
}

/* A failure shows in the answer: the daemon may have said why before it closed. */
static void call_send(int fd, const char *method, json_t *parameters, bool more)
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
	while (sent < bytes && (n = send(fd, text + sent, bytes - sent, MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
}

/* The next reply. Return: NULL: there is none. */
static json_t *reply_receive(int fd, struct wire *in)
{
	static char buffer[65536];
	json_t *reply;
	char *frame;
	ssize_t n;

	while (!(frame = wire_frame(in))) {
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || wire_add(in, buffer, (size_t)n, REPLY_MAX))
			return NULL;
	}
	reply = json_loads(frame, 0, NULL);
	wire_take(in, strlen(frame) + 1);
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
	{CTL_INTERFACE "ProfileInUse",
	 "%s is running (%s threads): end it first, or use \"profile reset\"", "path", "threads"},
	{CTL_INTERFACE "NothingLearned",
	 "nothing is known of %s: all that it does would be an anomaly", "path", NULL},
	{CTL_INTERFACE "NoSuchProcess",
	 "there is no process %s that is followed, and nothing unusual is known of one", "pid",
	 NULL},
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

	if (!json_is_integer(value))
		return name ? text_of(parameters, name) : "";
	turn = !turn;
	snprintf(numbers[turn], sizeof(numbers[turn]), "%lld",
		 (long long)json_integer_value(value));
	return numbers[turn];
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the table's formats take text alone */

static void refusal_print(const json_t *reply)
{
	const char *error = text_of(reply, "error");
	const json_t *parameters = json_object_get(reply, "parameters"), *candidate;
	size_t i;

	fputs("ebphctl: ", stderr);
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strcmp(refusals[i].error, error) != 0)
			continue;
		fprintf(stderr, refusals[i].format, detail(parameters, refusals[i].first),
			detail(parameters, refusals[i].second));
		break;
	}
	if (i == ARRAY_SIZE(refusals))
		fprintf(stderr, "ebphd says %s", error);
	fputc('\n', stderr);
	json_array_foreach(json_object_get(parameters, "candidates"), i, candidate) {
		fprintf(stderr, "  %s\n", json_string_value(candidate));
	}
}

#pragma GCC diagnostic pop

/* Return: is it an answer? If not, why has been said. */
static bool reply_is_good(const struct ctl *ctl, const json_t *reply)
{
	if (!reply)
		fprintf(stderr, "ebphctl: ebphd has closed the connection\n");
	else if (json_object_get(reply, "error") && ctl->json)
		json_line(reply);
	else if (json_object_get(reply, "error"))
		refusal_print(reply);
	else
		return true;
	return false;
}

/* ---- calls ----------------------------------------------------------------------------------- */

int ctl_stream(const struct ctl *ctl, const char *method, json_t *parameters, ctl_part_fn *take,
	       void *context)
{
	AUTO_CLOSE int fd = connect_to(ctl);
	struct wire in = {0};
	bool more = true, good = true;

	if (fd < 0) {
		json_decref(parameters);
		return CTL_REFUSED;
	}
	call_send(fd, method, parameters, true);
	while (more && good) {
		json_t *reply = reply_receive(fd, &in);

		good = reply_is_good(ctl, reply);
		if (good)
			more = take(context, json_object_get(reply, "parameters")) &&
			       json_is_true(json_object_get(reply, "continues"));
		json_decref(reply);
	}
	wire_clear(&in);
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
