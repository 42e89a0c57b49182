// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs in the way of each other: nothing is missed, or it is counted. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/pairset.h"
#include "enforcer/util.h"
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

/* ---- while ebphd reads ------------------------------------------------------------------ */

#define PREEMPT	    "/sys/kernel/debug/sched/preempt"
#define READ_BESIDE 2
#define RECORDS	    1000
#define READ_CALLS  "100000"
#define FULL_SET    (EBPH_SET_BLOCKS_MAX * EBPH_BLOCK_WORDS * 3 / 4)

/* From now on whoever is in the kernel can be preempted there at any time, or as at the start. */
static void preempt_fully(bool begin)
{
	static char before[16];
	char text[64] = {};
	AUTO_CLOSE int fd = -1;

	if (access(PREEMPT, F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	fd = open(PREEMPT, O_RDWR | O_CLOEXEC);
	if (fd < 0 && begin)
		skip("this kernel cannot be made preemptible while it runs");
	if (begin) { /* "none voluntary (full) lazy" */
		REQUIRE(read(fd, text, sizeof(text) - 1) > 0 && strchr(text, '('), "%s", text);
		snprintf(before, sizeof(before), "%.*s", (int)strcspn(strchr(text, '(') + 1, ")"),
			 strchr(text, '(') + 1);
		snprintf(text, sizeof(text), "full");
	} else {
		snprintf(text, sizeof(text), "%s", before);
	}
	REQUIRE(write(fd, text, strlen(text)) > 0, "%s: %s", text, strerror(errno));
}

/* Return: how often the profile of @slot and all records were read until all had ended. */
static unsigned int read_until_end(struct rig *rig, uint32_t slot, const struct child *children)
{
	unsigned int n = 0;

	for (int i = 0; i < READ_BESIDE; i++) {
		siginfo_t info = {};

		for (; !info.si_pid; n++) {
			AUTO_FREE uint64_t *words = NULL;
			const struct ebph_overdue *overdue;
			size_t n_words = 0;

			REQUIRE(!profile_words(rig->profiles, slot, &words, &n_words) && n_words,
				"%zu words", n_words);
			REQUIRE(!kernel_overdue(rig->kernel, now_ns(CLOCK_MONOTONIC), 0, &overdue),
				"%s", strerror(errno));
			CHECK(overdue->count == EBPH_OVERDUE_MAX, "%u overdue", overdue->count);
			REQUIRE(!waitid(P_PID, (id_t)children[i].pid, &info,
					WEXITED | WNOHANG | WNOWAIT),
				"%s", strerror(errno));
		}
	}
	return n;
}

static void while_read(void)
{
	const char *path = strdup(program_path(PROGRAM("spin")));
	struct child children[READ_BESIDE];
	uint64_t alone, seen, made;
	cpu_set_t one = {}; /* on which all get into each other's way */
	unsigned int n;
	struct rig rig;
	uint32_t slot;

	rig_new_whole(&rig, 64);
	if (!rig.kernel->preemptible)
		skip("this kernel does not preempt programs");
	CHECK(rig.support.perf, "perf's side cannot be used");
	rig_attach_all(&rig);
	CHECK(RUN(&children[0], path, "0") == 0, "%s", children[0].output);
	slot = rig_slot(&rig, path);
	REQUIRE(slot, "%s is not known", path);
	REQUIRE(!profile_grow(rig.profiles, slot, FULL_SET), "no larger set");
	rig_gone_record(&rig, RECORDS);
	alone = calls_of(&rig, slot);
	CPU_SET(0, &one);
	REQUIRE(!sched_setaffinity(0, sizeof(one), &one), "%s", strerror(errno));
	preempt_fully(true);
	for (int i = 0; i < READ_BESIDE; i++)
		child_start(&children[i], (const char *const[]){path, READ_CALLS, NULL}, NULL);
	n = read_until_end(&rig, slot, children);
	for (int i = 0; i < READ_BESIDE; i++)
		CHECK(child_wait(&children[i]) == 0, "%s", children[i].output);
	preempt_fully(false);
	seen = calls_of(&rig, slot) - alone;
	made = READ_BESIDE * (alone + strtoull(READ_CALLS, NULL, 10));
	note("read %u times; %lu of %lu calls seen, %lu runs missed", n, seen, made,
	     kernel_missed_runs(rig.kernel));
	CHECK(seen == made, "%lu calls lost", made - seen);
	rig_free(&rig);
}

const struct test missed_tests[] = {
	{.name = "missed: while ebphd reads no call is lost", .run = while_read},
	{.name = "missed: each call of many processes is counted", .run = counted},
	{.name = "missed: each call of many processes is counted, for long",
	 .run = counted_long,
	 .is_long = true},
	{},
};
