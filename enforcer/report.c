// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/report.h"

#include <inttypes.h>
#include <sys/resource.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

static uint64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NSEC_PER_SEC +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

/* Resident memory in bytes. */
static uint64_t resident_memory(void)
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
	if (conf->enforcer.mode == CONF_MODE_ENFORCE)
		log_info("enforcing: anomalies are answered by SIGSTOP and by refused execves (%s)",
			 abort_rung_name(kernel->rung));
	else
		log_info("running in mode %s: nothing is stopped or refused",
			 conf_mode_name(conf->enforcer.mode));
}

static void counters_print(struct kernel *kernel, const struct event_sink *sink)
{
	uint64_t missed = kernel_missed_runs(kernel);

	for (enum ebph_counter i = 0; i < EBPH_COUNTER_MAX; i++) {
		uint64_t value = kernel_counter(kernel, i);

		if (value)
			log_warn("%s = %" PRIu64 ": %s", kernel_counter_name(i), value,
				 kernel_counter_help(i));
	}
	if (missed)
		log_warn("missed_runs = %" PRIu64
			 ": events not seen: the kernel skipped a program of "
			 "ours",
			 missed);
	if (log_lost())
		log_warn("log_lost = %" PRIu64 ": lines like this one that nobody took",
			 log_lost());
	if (sink->malformed)
		log_warn("malformed = %" PRIu64 ": records from the kernel that make no sense",
			 sink->malformed);
	if (sink->journal.failed)
		log_warn("journal_failed = %" PRIu64 ": lines missing in the event file",
			 sink->journal.failed);
}

void report_print(struct report *report, struct kernel *kernel, struct profiles *profiles,
		  const struct event_sink *sink)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), cpu = cpu_ns();
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
	log_info("%u profiles: %u training, %u frozen, %u normal; %" PRIu64 " calls, %" PRIu64
		 " anomalies, %" PRIu64 " delays decided (%.2f s), %" PRIu64 " execves to refuse",
		 training + frozen + normal, training, frozen, normal, calls, anomalies, stops,
		 (double)stop_ns / (double)NSEC_PER_SEC, aborts);
	log_info("ebphd itself: %.2f %% CPU, %.1f MB; in the kernel: maps %.1f MB, pair sets "
		 "%.1f MB",
		 100.0 * (double)(cpu - report->cpu_ns) / (double)(now - report->since_ns + 1),
		 (double)resident_memory() / 1e6, (double)kernel_memory(kernel) / 1e6,
		 (double)profiles->pair_memory / 1e6);
	counters_print(kernel, sink);
	report->since_ns = now;
	report->cpu_ns = cpu;
}
