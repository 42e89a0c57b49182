// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs in the way of each other: nothing is missed, or it is counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bpf/rig.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define PROCESSES 8

/* All calls that the program has made so far, training or normal. */
static uint64_t calls_of(const struct rig *rig, uint32_t slot)
{
	return rig->kernel->heads[slot].calls + rig->kernel->heads[slot].normal_calls;
}

static void counted_calls(unsigned int rounds, const char *count)
{
	const char *path = strdup(program_path(PROGRAM("spin")));
	struct child children[PROCESSES];
	uint64_t alone, before, made, missed, seen = 0;
	struct rig rig;
	uint32_t slot;

	rig_new_whole(&rig, 64);
	CHECK(rig.support.perf == rig.kernel->preemptible, "perf's side cannot be used");
	rig_attach_all(&rig);
	CHECK(RUN(&children[0], path, "0") == 0, "%s", children[0].output);
	slot = rig_slot(&rig, path);
	REQUIRE(slot, "%s is not known", path);
	alone = calls_of(&rig, slot);
	CHECK(alone > 0, "no call was seen");
	for (unsigned int round = 0; round < rounds; round++) {
		before = calls_of(&rig, slot);
		for (int i = 0; i < PROCESSES; i++)
			child_start(&children[i], (const char *const[]){path, count, NULL}, NULL);
		for (int i = 0; i < PROCESSES; i++)
			CHECK(child_wait(&children[i]) == 0, "%s", children[i].output);
		seen += calls_of(&rig, slot) - before;
	}
	made = PROCESSES * rounds * (alone + strtoull(count, NULL, 10));
	missed = kernel_missed_runs(rig.kernel);
	CHECK(seen <= made && seen + missed >= made, "%lu calls seen, %lu missed, %lu made", seen,
	      missed, made);
	note("%lu of %lu calls missed; %lu skipped by the kernel, but taken by a twin", missed,
	     made, kernel_counter(rig.kernel, EBPH_COUNT_RESCUED));
	/* From 7.0 on a call is lost where two programs are held up on one CPU: see second.h. */
	if (rig.kernel->preemptible)
		return rig_free(&rig);
	CHECK(missed == 0, "%lu calls missed", missed);
	CHECK(rig.kernel->heads[slot].runs == 1 + rounds * PROCESSES, "%u runs",
	      rig.kernel->heads[slot].runs);
	CHECK(rig.kernel->heads[slot].tasks == 0, "%u threads left", rig.kernel->heads[slot].tasks);
	rig_free(&rig);
}

static void counted(void)
{
	counted_calls(3, "5000");
}

static void counted_long(void)
{
	counted_calls(100, "20000");
}

const struct test missed_tests[] = {
	{.name = "missed: each call of many processes is counted", .run = counted},
	{.name = "missed: each call of many processes is counted, for long",
	 .run = counted_long,
	 .is_long = true},
	{},
};
