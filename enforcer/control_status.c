// SPDX-License-Identifier: GPL-2.0-or-later
/* How the daemon is, and what it can do here. */
#include <string.h>
#include <sys/utsname.h>

#include "enforcer/control_parts.h"
#include "enforcer/report.h"
#include "enforcer/util.h"

static json_t *kernel_release_name(void)
{
	struct utsname uts;

	return json_string(uname(&uts) ? "unknown" : uts.release);
}

static void counter_add(void *array, const char *name, uint64_t value, const char *help)
{
	if (value)
		json_array_append_new(array, json_pack("{s:s, s:I, s:s}", "name", name, "value",
						       (json_int_t)value, "meaning", help));
}

static json_t *counters(struct control *control)
{
	json_t *array = json_array();

	counters_visit(control->kernel, control->reload.sink, counter_add, array);
	return array;
}

/* What all profiles in memory have had to do with. */
static json_t *sums(const struct control *control)
{
	json_int_t calls = 0, anomalies = 0, stops = 0, stop_ns = 0, aborts = 0;

	for (uint32_t slot = 1; slot < control->profiles->next_slot; slot++) {
		const struct ebph_profile *head = &control->kernel->heads[slot];

		calls += (json_int_t)(head->calls + head->normal_calls);
		anomalies += (json_int_t)head->anomalies;
		stops += head->stops;
		stop_ns += (json_int_t)head->stop_ns;
		aborts += head->aborts;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "calls", calls, "anomalies", anomalies,
			 "delays", stops, "delays_ms", stop_ns / (json_int_t)NSEC_PER_MSEC,
			 "aborts", aborts);
}

static json_t *states(const struct control *control)
{
	const struct profiles *profiles = control->profiles;

	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I}", "profiles_training",
		(json_int_t)profiles_in_state(profiles, EBPH_STATE_TRAINING), "profiles_frozen",
		(json_int_t)profiles_in_state(profiles, EBPH_STATE_FROZEN), "profiles_normal",
		(json_int_t)profiles_in_state(profiles, EBPH_STATE_NORMAL), "profiles_loading",
		(json_int_t)profiles_in_state(profiles, EBPH_STATE_LOADING), "profiles_saved",
		(json_int_t)control->keep->catalog.n_saved);
}

static json_t *memory(const struct control *control)
{
	const struct profiles *profiles = control->profiles;

	return json_pack("{s:I, s:I, s:I, s:I}", "memory_maps", (json_int_t)profiles->other_memory,
			 "memory_pairs", (json_int_t)profiles->pair_memory, "memory_limit",
			 (json_int_t)profiles->memory_limit, "memory_daemon",
			 (json_int_t)resident_memory());
}

static bool breaker_is_open(struct control *control)
{
	return now_ns(CLOCK_MONOTONIC) <
	       __atomic_load_n(&kernel_breaker(control->kernel)->open_until_ns, __ATOMIC_RELAXED);
}

/* In one line, the worst first. */
static const char *health(struct control *control, const json_t *counted)
{
	const struct keep *keep = control->keep;
	const struct reload *reload = &control->reload;

	if (breaker_is_open(control))
		return "the circuit breaker is open: nobody is delayed or refused";
	if (conf_enforces(reload->conf) && !reload->enforcing->guardian)
		return "there is no guardian: nobody is delayed";
	if (keep->failing)
		return "profiles cannot be saved: see the log";
	if (keep->slow_reported)
		return "the disk that holds the profiles does not answer";
	if (keep->stuck_reported)
		return "there is no room for new programs: see the log";
	if (json_array_size(counted))
		return "good, but some counters are not zero";
	return "good";
}

void method_status(struct control *control, struct client *client)
{
	const struct kernel *kernel = control->kernel;
	json_t *counted = counters(control),
	       *parts[] = {states(control), sums(control), memory(control)};
	json_t *status = json_pack(
		"{s:s, s:o, s:i, s:I, s:s, s:s, s:b, s:s, s:I, s:I, s:s, s:o}", "version",
		EBPH_VERSION, "kernel", kernel_release_name(), "pid", (int)getpid(), "uptime_ms",
		(json_int_t)((now_ns(CLOCK_MONOTONIC) - control->started_ns) / NSEC_PER_MSEC),
		"mode", conf_mode_name(control->reload.conf->enforcer.mode), "abort_rung",
		abort_rung_name(kernel->rung), "deferral", kernel->defers != HOOK_NONE, "breaker",
		breaker_is_open(control) ? "open" : "closed", "delayed",
		(json_int_t)control->reload.sink->delays->n, "clients",
		(json_int_t)control->n_clients, "health", health(control, counted), "counters",
		counted);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		json_object_update(status, parts[i]);
		json_decref(parts[i]);
	}
	client_reply(client, json_pack("{s:o}", "status", status), false);
}

/* ---- what it can do ----------------------------------------------------------------------------
 */

static void mechanism_add(json_t *array, const char *name, bool works, const char *meaning)
{
	json_array_append_new(array, json_pack("{s:s, s:b, s:s}", "name", name, "works", works,
					       "meaning", meaning));
}

static const char *deferral_means(const struct control *control)
{
	static const char *const by[] = {
		[HOOK_FMOD_RET] = "delays before the call takes effect, by fmod_ret",
		[HOOK_LSM] = "delays before the call takes effect, by lsm",
		[HOOK_NONE] = "this kernel has neither fmod_ret nor lsm: delays come after the "
			      "call",
	};

	if (!control->reload.conf->response.deferral)
		return "not wanted: deferral = no; delays come after the call";
	return by[control->kernel->defers];
}

/* As was found when the daemon started: to try again would hold up those who are to be released. */
void method_support(struct control *control, struct client *client)
{
	const struct kernel *kernel = control->kernel;
	json_t *mechanisms = json_array();

	mechanism_add(mechanisms, "delay", true,
		      "a process stands still after the call, by bpf_send_signal");
	mechanism_add(mechanisms, "deferral", kernel->defers != HOOK_NONE, deferral_means(control));
	mechanism_add(mechanisms, "release", true,
		      kernel->ontime ? "on time by the kernel itself, should ebphd hang" :
				       "on time by ebphd; should it hang, by its guardian");
	mechanism_add(mechanisms, "abort", kernel->rung != ABORT_NONE,
		      kernel->rung == ABORT_NONE ? "no execve can be refused: neither "
						   "bpf_override_return nor fmod_ret nor lsm" :
		      kernel->rung == ABORT_KILL ? "no execve can be refused: whose is not wanted "
						   "is killed" :
						   abort_rung_name(kernel->rung));
	mechanism_add(mechanisms, "record", control->reload.enforcing->pinned,
		      control->reload.enforcing->pinned ?
			      "who is delayed is on record where it outlives ebphd" :
			      "not needed before mode = enforce; it takes a bpf file system");
	mechanism_add(mechanisms, "complete", !kernel->preemptible,
		      kernel->preemptible ? "programs can lose their CPU on this kernel: all are "
					    "attached twice" :
					    "no program of ours can lose its CPU");
	client_reply(
		client,
		json_pack("{s:o, s:o}", "kernel", kernel_release_name(), "mechanisms", mechanisms),
		false);
}
