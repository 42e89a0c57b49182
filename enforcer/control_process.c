// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes and threads: what they are at, and letting them go. */
#include <string.h>

#include "enforcer/callname.h"
#include "enforcer/control_parts.h"
#include "enforcer/log.h"
#include "enforcer/util.h"

static int thread_compare(const void *left, const void *right)
{
	const struct ebph_thread *a = left, *b = right;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return (a->tid > b->tid) - (a->tid < b->tid);
}

size_t threads_unite(struct ebph_thread *threads, size_t n)
{
	size_t kept = 0;

	qsort(threads, n, sizeof(*threads), thread_compare);
	for (size_t i = 0; i < n; i++) {
		struct ebph_thread *last = kept ? &threads[kept - 1] : NULL;

		if (!last || last->pid != threads[i].pid)
			threads[kept++] = threads[i];
		else if (last->lfc < threads[i].lfc)
			last->lfc = threads[i].lfc;
	}
	return kept;
}

/* In milliseconds, rounded up: 0 is for who is not delayed. */
static json_int_t remaining_ms(struct control *control, const struct ebph_thread *thread)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	uint64_t due_ns = kernel_delayed_until(control->kernel, thread->pid, thread->start_ns);

	return due_ns > now ? (json_int_t)((due_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC) : 0;
}

json_t *process_object(struct control *control, const struct ebph_thread *thread)
{
	const struct ebph_profile *head = &control->kernel->heads[thread->slot];
	char buffer[CALLNAME_MAX];

	return json_pack("{s:I, s:I, s:I, s:I, s:o, s:s, s:s, s:I, s:I, s:I}", "pid",
			 (json_int_t)thread->pid, "tid", (json_int_t)thread->tid, "uid",
			 (json_int_t)thread->uid, "profile", (json_int_t)thread->slot, "path",
			 json_text(profile_name(control->profiles, thread->slot)), "state",
			 state_name((enum ebph_state)head->state), "last_call",
			 callname(thread->call, buffer), "lfc", (json_int_t)thread->lfc, "heat",
			 (json_int_t)kernel_heat(control->kernel, thread->slot, thread->uid),
			 "remaining_ms", remaining_ms(control, thread));
}

/* ---- listing --------------------------------------------------------------------------------- */

struct listing {
	struct ebph_thread *threads;
	size_t next, n;
};

static void listing_free(void *work)
{
	struct listing *listing = work;

	free(listing->threads);
	free(listing);
}

static bool is_wanted(struct control *control, const struct client *client,
		      const struct ebph_thread *thread)
{
	if (client_flag(client, "delayed") && !remaining_ms(control, thread))
		return false;
	return !client_flag(client, "hot") || thread->lfc || remaining_ms(control, thread) ||
	       kernel_heat(control->kernel, thread->slot, thread->uid);
}

static void step_processes(struct control *control, struct client *client)
{
	struct listing *listing = client->work;
	json_t *processes = json_array();

	for (int i = 0; i < BATCH && listing->next < listing->n; i++) {
		const struct ebph_thread *thread = &listing->threads[listing->next++];

		if (thread->slot <= control->kernel->n_slots && is_wanted(control, client, thread))
			json_array_append_new(processes, process_object(control, thread));
	}
	client_reply(client, json_pack("{s:o}", "processes", processes),
		     listing->next < listing->n);
}

void method_processes(struct control *control, struct client *client)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	int r = listing ? kernel_threads(control->kernel, EBPH_PARDON_NOBODY, &listing->threads,
					 &listing->n) :
			  -ENOMEM;

	if (r) {
		free(listing);
		client_fail_errno(client, r);
		return;
	}
	if (!client_flag(client, "threads"))
		listing->n = threads_unite(listing->threads, listing->n);
	client->work = listing;
	client->work_free = listing_free;
	client->step = step_processes;
}

/* ---- letting go ---------------------------------------------------------------------------------
 */

static void released_tell(struct control *control, const struct client *client, size_t released)
{
	log_info("control: %zu released by process %d (uid %u)", released, client->pid,
		 client->uid);
	event_self(control->reload.sink, "operator",
		   json_pack("{s:s, s:i, s:i, s:i}", "verb", "release", "released", (int)released,
			     "by_pid", (int)client->pid, "by_uid", (int)client->uid));
}

void method_release(struct control *control, struct client *client)
{
	json_int_t pid = client_integer(client, "pid");
	struct delays *delays = control->reload.sink->delays;
	AUTO_FREE struct ebph_thread *threads = NULL;
	size_t n, before = delays->n;
	bool all = !json_is_integer(json_object_get(client->call.parameters, "pid"));
	int r = 0;

	if (!all && (pid <= 0 || pid >= EBPH_PARDON_DELAYED || !delay_has(delays, (uint32_t)pid))) {
		client_fail(client, ERROR(NotDelayed), json_pack("{s:I}", "pid", pid));
		return;
	}
	/* First: it is not to be stopped again by the call that it goes on with. */
	r = kernel_threads(control->kernel, all ? EBPH_PARDON_DELAYED : (uint32_t)pid, &threads,
			   &n);
	if (!r && all)
		delays_release(delays);
	else if (!r)
		r = delay_release(delays, (uint32_t)pid);
	if (r) {
		client_fail_errno(client, r);
		return;
	}
	released_tell(control, client, before - delays->n);
	client_reply(client, json_pack("{s:I}", "released", (json_int_t)(before - delays->n)),
		     false);
}
