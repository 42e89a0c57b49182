// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/report.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "enforcer/drill.h"
#include "enforcer/keep.h"
#include "enforcer/log.h"
#include "enforcer/set.h"
#include "enforcer/util.h"

static uint64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

uint64_t resident_memory(void)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;

	if (!file || fscanf(file, "%*u %" SCNu64, &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void report_start(struct report *report, const struct conf *conf, struct kernel *kernel)
{
	report->since_ns = now_ns(CLOCK_MONOTONIC);
	report->cpu_ns = cpu_ns();
	if (conf->enforcer.mode == CONF_MODE_ENFORCE && kernel_settings(kernel)->defer)
		log_info("enforcing: anomalies are answered by delays before the call takes effect "
			 "(%s), and by refused execves (%s)",
			 hook_rung_name(kernel->defers), abort_rung_name(kernel->rung));
	else if (conf->enforcer.mode == CONF_MODE_ENFORCE)
		log_info("enforcing: anomalies are answered by delays after the call, and by "
			 "refused execves (%s)",
			 abort_rung_name(kernel->rung));
	else
		log_info("running in mode %s: nothing is stopped or refused",
			 conf_mode_name(conf->enforcer.mode));
}

/* Counters that the kernel's side does not keep. */
#define DAEMON_COUNTERS(X)                                                                         \
	X(breaker_opened, kernel_breaker(kernel)->openings,                                        \
	  "times that the circuit breaker opened: nobody was answered for a while")                \
	X(missed_runs, kernel_missed_runs(kernel),                                                 \
	  "events not seen: the kernel skipped a program of ours")                                 \
	X(log_lost, log_lost(), "lines of the log that nobody took")                               \
	X(save_failed, sink->keep->save_failed,                                                    \
	  "profiles that could not be saved, and are tried again")                                 \
	X(saver_died, sink->keep->saver_died, "times that the process that saves profiles died")   \
	X(load_failed, sink->keep->load_failed, "files with profiles that could not be used")      \
	X(malformed, sink->malformed, "records from the kernel that make no sense")                \
	X(journal_failed, sink->journal.failed, "lines missing in the event file")

void counters_visit(struct kernel *kernel, const struct event_sink *sink, counter_visit_fn *visit,
		    void *context)
{
	for (enum ebph_counter i = 0; i < EBPH_COUNTER_MAX; i++)
		visit(context, kernel_counter_name(i), kernel_counter(kernel, i),
		      kernel_counter_help(i));
#define COUNTER_VISIT(name, value, help) visit(context, #name, value, help);
	DAEMON_COUNTERS(COUNTER_VISIT)
}

/* One counter: in the event file always, in the log if it is not 0. */
static void counter_tell(void *object, const char *name, uint64_t value, const char *help)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
	if (value)
		log_warn("%s = %" PRIu64 ": %s", name, value, help);
}

/* Return: all counters by name; to be given up by the caller. */
static json_t *counters_tell(struct kernel *kernel, const struct event_sink *sink)
{
	json_t *object = json_object();

	counters_visit(kernel, sink, counter_tell, object);
	return object;
}

void counters_explain(FILE *out)
{
	for (enum ebph_counter i = 0; i < EBPH_COUNTER_MAX; i++)
		fprintf(out, "%-18s  %s\n", kernel_counter_name(i), kernel_counter_help(i));
#define COUNTER_EXPLAIN(name, value, help) fprintf(out, "%-18s  %s\n", #name, help);
	DAEMON_COUNTERS(COUNTER_EXPLAIN)
}

/* Into the event file when they have changed, or at the end, when someone waits for them. */
static void counters_report(struct report *report, struct kernel *kernel, struct event_sink *sink,
			    bool always)
{
	json_t *counters = counters_tell(kernel, sink);

	if (always || !json_equal(counters, report->counters))
		event_self(sink, "counters", json_copy(counters));
	json_decref(report->counters);
	report->counters = counters;
}

void report_end(struct report *report)
{
	json_decref(report->counters);
	report->counters = NULL;
}

/* The memory of each profile, into the event file. Return: the slot of the largest; 0: none. */
static uint32_t memory_tell(struct profiles *profiles, struct event_sink *sink, bool each)
{
	uint32_t largest = 0;

	for (uint32_t slot = 1; slot < profiles->next_slot; slot++) {
		const struct ebph_profile *head = &profiles->kernel->heads[slot];
		uint32_t blocks = profiles->notes[slot].blocks;

		if (head->state == EBPH_STATE_NONE)
			continue;
		if (!largest || blocks > profiles->notes[largest].blocks)
			largest = slot;
		if (each)
			event_profile(sink, "memory", slot,
				      json_pack("{s:s, s:i, s:i}", "state",
						state_name((enum ebph_state)head->state), "words",
						(int)head->words, "bytes",
						(int)(set_memory(blocks) + sizeof(*head))));
	}
	return largest;
}

static void memory_report(struct profiles *profiles, struct event_sink *sink, bool each)
{
	uint32_t largest = memory_tell(profiles, sink, each);
	char limit[48] = "";

	/* At the end there is none. */
	if (profiles->memory_limit != UINT64_MAX)
		snprintf(limit, sizeof(limit), ", of %.0f MB at most",
			 (double)profiles->memory_limit / 1e6);
	profiles->other_memory = kernel_memory(profiles->kernel);
	log_info("in the kernel: maps %.2f MB, pair sets %.2f MB%s",
		 (double)profiles->other_memory / 1e6, (double)profiles->pair_memory / 1e6, limit);
	if (largest)
		log_info("the largest pair set: %.1f kB, %u words, of %s",
			 (double)set_memory(profiles->notes[largest].blocks) / 1e3,
			 profiles->kernel->heads[largest].words, profile_name(profiles, largest));
}

void report_print(struct report *report, struct kernel *kernel, struct profiles *profiles,
		  struct event_sink *sink, bool asked)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), cpu = cpu_ns();
	uint32_t loading = profiles_in_state(profiles, EBPH_STATE_LOADING);
	uint32_t training = profiles_in_state(profiles, EBPH_STATE_TRAINING);
	uint32_t frozen = profiles_in_state(profiles, EBPH_STATE_FROZEN);
	uint32_t normal = profiles_in_state(profiles, EBPH_STATE_NORMAL);
	uint64_t calls = 0, anomalies = 0, stops = 0, stop_ns = 0, aborts = 0;

	for (uint32_t slot = 1; slot < profiles->next_slot; slot++) {
		const struct ebph_profile *head = &kernel->heads[slot];

		calls += head->calls + head->normal_calls;
		anomalies += head->anomalies;
		stops += head->stops;
		stop_ns += head->stop_ns;
		aborts += head->aborts;
	}
	log_info("%u profiles in memory: %u loading, %u training, %u frozen, %u normal; %u on "
		 "disk; %" PRIu64 " have left memory",
		 loading + training + frozen + normal, loading, training, frozen, normal,
		 sink->keep->catalog.n_saved, sink->keep->evicted);
	log_info("%" PRIu64 " calls, %" PRIu64 " anomalies, %" PRIu64
		 " delays decided (%.2f s), %" PRIu64 " execves to refuse",
		 calls, anomalies, stops, (double)stop_ns / (double)NSEC_PER_SEC, aborts);
	drill_report(sink);
	log_info("ebphd itself: %.2f %% CPU, %.1f MB",
		 100.0 * (double)(cpu - report->cpu_ns) / (double)(now - report->since_ns + 1),
		 (double)resident_memory() / 1e6);
	memory_report(profiles, sink, asked);
	counters_report(report, kernel, sink, asked);
	report->since_ns = now;
	report->cpu_ns = cpu;
}
