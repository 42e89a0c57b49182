// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/client.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

#define READ_BYTES (16u * 1024) /* at a turn */

/* ---- who it is --------------------------------------------------------------------------- */

/* Is the peer, who need not be alive any more, a member of one of the groups? */
static bool is_member(int fd, gid_t first, const struct conf_list *groups)
{
	gid_t others[256];
	socklen_t bytes = sizeof(others);

	if (conf_list_has_id(groups, first))
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, others, &bytes))
		return false;
	for (size_t i = 0; i < bytes / sizeof(*others); i++)
		if (conf_list_has_id(groups, others[i]))
			return true;
	return false;
}

int client_new(int fd, const struct conf_list *groups, struct client **ret)
{
	struct client *client = calloc(1, sizeof(*client));
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (!client || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes)) {
		int r = client ? -errno : -ENOMEM;

		free(client);
		close_fd(&fd);
		return r;
	}
	client->fd = fd;
	client->pid = peer.pid;
	client->uid = peer.uid;
	client->may_change = peer.uid == 0;
	*ret = client;
	return client->may_change || is_member(fd, peer.gid, groups) ? 0 : -EACCES;
}

static void call_end(struct client *client)
{
	if (client->work_free)
		client->work_free(client->work);
	client->work = NULL;
	client->work_free = NULL;
	client->step = NULL;
	client->cursor = 0;
	client->subscribed = false;
	call_clear(&client->call);
}

void client_free(struct client *client)
{
	call_end(client);
	wire_clear(&client->in);
	wire_clear(&client->out);
	wire_clear(&client->upload);
	close_fd(&client->fd);
	free(client);
}

#define BLAMES 5 /* a second */

void client_blame(const struct client *client, const char *what)
{
	static uint64_t since_ns;
	static unsigned int said, more;
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (now >= since_ns + NSEC_PER_SEC) {
		if (more)
			log_warn("control: %u others did what they should not, too", more);
		since_ns = now;
		said = more = 0;
	}
	if (said++ < BLAMES)
		log_warn("control: process %d (uid %u) %s", client->pid, client->uid, what);
	else
		more++;
}

/* ---- bytes ----------------------------------------------------------------------------- */

void client_read(struct client *client)
{
	char buffer[READ_BYTES];
	ssize_t n = recv(client->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (!n) {
		client->ended = true;
		return;
	}
	if (n > 0 && !wire_add(&client->in, buffer, (size_t)n, WIRE_FRAME_MAX + READ_BYTES) &&
	    (wire_frame(&client->in) || wire_bytes(&client->in) <= WIRE_FRAME_MAX))
		return;
	if (n > 0)
		client_blame(client, "sends what is no call, it is cut off");
	client->dead = true;
}

void client_write(struct client *client)
{
	size_t waits = wire_bytes(&client->out);
	ssize_t n;

	if (!waits || client->dead)
		return;
	n = send(client->fd, client->out.data + client->out.begin, waits,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		client->dead = true;
		return;
	}
	if (n > 0)
		wire_take(&client->out, (size_t)n);
	if (!wire_bytes(&client->out))
		client->stalled_ns = 0;
	else if (n > 0 || !client->stalled_ns)
		client->stalled_ns = now_ns(CLOCK_MONOTONIC);
}

/* ---- answers ------------------------------------------------------------------------------ */

/* Queues parts of a frame, and its end. */
static void queue(struct client *client, const char *const *parts)
{
	int r = 0;

	if (client->dead || client->call.oneway)
		return;
	for (; !r && *parts; parts++)
		r = wire_add(&client->out, *parts, strlen(*parts), WIRE_QUEUE_MAX);
	if (!r)
		r = wire_add(&client->out, "", 1, WIRE_QUEUE_MAX);
	if (!r)
		return;
	client_blame(client, "does not read what it has asked for, it is cut off");
	client->dead = true;
}

#define QUEUE(client, ...) queue(client, (const char *const[]){__VA_ARGS__, NULL})

static char *text_of(json_t *parameters)
{
	char *text = parameters ? json_dumps(parameters, JSON_COMPACT) : NULL;

	json_decref(parameters);
	return text;
}

void client_reply(struct client *client, json_t *parameters, bool continues)
{
	AUTO_FREE char *text = text_of(parameters);

	if (!text)
		client->dead = true; /* no memory */
	else
		QUEUE(client, "{\"parameters\":", text, continues ? ",\"continues\":true}" : "}");
	if (!continues)
		call_end(client);
}

void client_reply_event(struct client *client, uint64_t number, const char *text)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, number);
	QUEUE(client, "{\"parameters\":{\"number\":", digits, ",\"event\":", text,
	      "},\"continues\":true}");
}

void client_fail(struct client *client, const char *error, json_t *parameters)
{
	AUTO_FREE char *text = text_of(parameters);

	if (!text)
		client->dead = true;
	else
		QUEUE(client, "{\"error\":\"", error, "\",\"parameters\":", text, "}");
	call_end(client);
}

/* ---- what it asks -------------------------------------------------------------------------- */

const char *client_string(const struct client *client, const char *name)
{
	return json_string_value(json_object_get(client->call.parameters, name));
}

json_int_t client_integer(const struct client *client, const char *name)
{
	const json_t *value = json_object_get(client->call.parameters, name);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

bool client_flag(const struct client *client, const char *name)
{
	return json_is_true(json_object_get(client->call.parameters, name));
}
