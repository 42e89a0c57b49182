// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/control.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "enforcer/control_parts.h"
#include "enforcer/log.h"
#include "enforcer/util.h"

#define TURN_NS	   (3 * NSEC_PER_MSEC) /* then whoever is due to be released is looked after */
#define AT_ONCE	   16
#define STALL_NS   (30 * NSEC_PER_SEC) /* who has taken nothing for so long is gone */
#define OUT_ENOUGH (64u * 1024)	       /* so much waits to be read: no more is made meanwhile */

/* ---- life ------------------------------------------------------------------------------ */

/* A stale socket of a dead daemon goes: we have the lock on the folder. */
static int socket_open(struct control *control, const struct conf *conf)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct conf_list *groups = &conf->enforcer.control_group;
	mode_t mask;
	int r;

	if (strlen(control->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, control->path, strlen(control->path));
	control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listen_fd < 0)
		return -errno;
	unlink(control->path);
	mask = umask(0177);
	r = bind(control->listen_fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	umask(mask);
	/* Of several groups the file can have but one: then each peer is asked who he is. */
	if (!r && groups->n == 1 && chown(control->path, (uid_t)-1, groups->words[0].id))
		r = -errno;
	if (!r && groups->n && chmod(control->path, groups->n == 1 ? 0660 : 0666))
		r = -errno;
	if (!r && listen(control->listen_fd, 128))
		r = -errno;
	return r;
}

static int watch(struct control *control, int operation, int fd, uint32_t events, void *what)
{
	struct epoll_event event = {.events = events, .data.ptr = what};

	return epoll_ctl(control->epoll_fd, operation, fd, &event) ? -errno : 0;
}

int control_new(const struct reload *reload, struct keep *keep, struct control **ret)
{
	const struct conf *conf = reload->conf;
	struct control *control = calloc(1, sizeof(*control));
	int r = 0;

	if (!control)
		return -ENOMEM;
	control->reload = *reload;
	control->keep = keep;
	control->profiles = reload->profiles;
	control->kernel = reload->profiles->kernel;
	control->started_ns = now_ns(CLOCK_MONOTONIC);
	control->listen_fd = -1;
	control->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (control->epoll_fd < 0 ||
	    asprintf(&control->path, "%s/" CONTROL_NAME, conf->enforcer.run_dir) < 0)
		r = -ENOMEM;
	if (!r)
		r = socket_open(control, conf);
	if (!r)
		r = watch(control, EPOLL_CTL_ADD, control->listen_fd, EPOLLIN, NULL);
	if (r) {
		log_error("cannot open the control socket %s/" CONTROL_NAME ": %s",
			  conf->enforcer.run_dir, strerror(-r));
		control_free(control);
		return r;
	}
	reload->sink->journal.on_line = control_tell;
	reload->sink->journal.context = control;
	*ret = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	control->reload.sink->journal.on_line = NULL;
	for (struct client *client = control->clients, *next; client; client = next) {
		next = client->next;
		client_free(client);
	}
	if (control->listen_fd >= 0)
		unlink(control->path);
	close_fd(&control->listen_fd);
	close_fd(&control->epoll_fd);
	history_clear(&control->history);
	free(control->path);
	free(control);
}

int control_fd(const struct control *control)
{
	return control->epoll_fd;
}

/* ---- connections ---------------------------------------------------------------------------- */

/* What the client is watched for: its next call, or room for more of the answer. */
static void client_watch(struct control *control, struct client *client)
{
	bool can_step = client->step && wire_bytes(&client->out) < OUT_ENOUGH;
	bool has_next = !client_is_busy(client) && wire_frame(&client->in);
	uint32_t events = 0;

	if (wire_bytes(&client->out) || can_step || has_next)
		events |= EPOLLOUT;
	if (!client->ended && (client->subscribed || (!client_is_busy(client) && !has_next)))
		events |= EPOLLIN;
	if (events != client->watched && watch(control, EPOLL_CTL_MOD, client->fd, events, client))
		client->dead = true;
	client->watched = events;
}

static unsigned int clients_asking(const struct control *control)
{
	unsigned int n = 0;

	for (const struct client *client = control->clients; client; client = client->next)
		n += !client->may_change;
	return n;
}

/* Says why not, and that is all. */
static void client_turn_away(struct client *client, const char *error, json_t *parameters)
{
	client_fail(client, error, parameters);
	client_write(client);
	client_free(client);
}

static void client_accept(struct control *control, int fd)
{
	const struct conf_list *groups = &control->reload.conf->enforcer.control_group;
	struct client *client = NULL;
	int r = client_new(fd, groups, &client);

	if (!client)
		return;
	if (r) {
		client_blame(client, "may not ask anything");
		client_turn_away(client, SERVICE_ERROR(PermissionDenied), json_object());
		return;
	}
	if (control->n_clients >= CONTROL_CLIENTS ||
	    (!client->may_change && clients_asking(control) >= CONTROL_CLIENTS_ASK)) {
		client_turn_away(
			client, ERROR(TooManyClients),
			json_pack("{s:i}", "limit",
				  client->may_change ? CONTROL_CLIENTS : CONTROL_CLIENTS_ASK));
		return;
	}
	client->watched = EPOLLIN;
	if (watch(control, EPOLL_CTL_ADD, client->fd, EPOLLIN, client)) {
		client_free(client);
		return;
	}
	client->next = control->clients;
	control->clients = client;
	control->n_clients++;
}

static void clients_accept(struct control *control)
{
	for (int i = 0; i < AT_ONCE; i++) {
		int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			client_accept(control, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			control->full = true; /* it would be ready again at once */
			watch(control, EPOLL_CTL_MOD, control->listen_fd, 0, NULL);
		}
		return;
	}
}

/* Frees those who are gone: only here, while no event of theirs is at hand. */
static void clients_sweep(struct control *control)
{
	for (struct client **link = &control->clients; *link;) {
		struct client *client = *link;

		if (!client->dead) {
			link = &client->next;
			continue;
		}
		*link = client->next;
		client_free(client);
		control->n_clients--;
	}
}

/* ---- turns ------------------------------------------------------------------------------------
 */

/* The next call, if it is there. */
static void client_serve(struct control *control, struct client *client)
{
	char *frame = wire_frame(&client->in);
	int r;

	if (!frame)
		return;
	r = call_parse(frame, &client->call);
	wire_take(&client->in, strlen(frame) + 1);
	if (!r) {
		method_run(control, client);
		return;
	}
	client_blame(client, "sends what is no call, it is cut off");
	client->dead = true;
}

void control_push(struct control *control, struct client *client)
{
	client_write(client);
	if (!client->dead)
		client_watch(control, client);
}

static void client_turn(struct control *control, struct client *client, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR))
		client->dead = true;
	if (!client->dead && (events & EPOLLIN))
		client_read(client);
	if (!client->dead && client->step && wire_bytes(&client->out) < OUT_ENOUGH)
		client->step(control, client);
	if (!client->dead && !client_is_busy(client))
		client_serve(control, client);
	client_write(client);
	/* Who has sent his last call gets the answer; who only listens has gone. */
	if (client->ended && !wire_bytes(&client->out) &&
	    (client->subscribed || (!client_is_busy(client) && !wire_frame(&client->in))))
		client->dead = true;
	if (!client->dead)
		client_watch(control, client);
}

void control_run(struct control *control)
{
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + TURN_NS;
	struct epoll_event ready[AT_ONCE];
	int n = epoll_wait(control->epoll_fd, ready, AT_ONCE, 0);

	/* Who does not get a turn now comes first the next time. */
	for (int i = 0; i < n && now_ns(CLOCK_MONOTONIC) < end_ns; i++) {
		struct client *client = ready[i].data.ptr;

		if (!client)
			clients_accept(control);
		else if (!client->dead)
			client_turn(control, client, ready[i].events);
	}
	clients_sweep(control);
}

void control_tick(struct control *control)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	for (struct client *client = control->clients; client; client = client->next) {
		if (!client->stalled_ns || now < client->stalled_ns + STALL_NS)
			continue;
		client_blame(client, "does not read what it has asked for, it is cut off");
		client->dead = true;
	}
	clients_sweep(control);
	if (control->full && !watch(control, EPOLL_CTL_MOD, control->listen_fd, EPOLLIN, NULL))
		control->full = false;
}
