// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How many instructions each path of the program at sys_enter takes, on a machine whose clock
 * counts them (scripts/vm -i): a slower hot path fails here, however noisy the host is. What it
 * may take stands in instructions.txt, by kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/bpf.h>

#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/tap.h"

#define CALLS	       96 /* in a row: so few that most rows have no timer interrupt in them */
#define ROUNDS	       24 /* of which the shortest counts */
#define MIX	       12
#define RANDOM	       400 /* different calls, of numbers that may be any */
#define FILE_OF_COUNTS "tests/bpf/instructions.txt"
#define MARGIN_PERCENT 2

static uint16_t mix[CALLS], lookups[CALLS], strange[CALLS];

/* xorshift: the same sequence in every run. */
static uint32_t random_next(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void sequences_fill(void)
{
	for (int i = 0; i < CALLS; i++) {
		mix[i] = (uint16_t)(30 + i % MIX);
		lookups[i] = (uint16_t)(30 + random_next() % 4);
		strange[i] = (uint16_t)(50 + random_next() % RANDOM);
	}
}

/* A program that does nothing: what asking any takes. Return: its descriptor. */
static int nothing_load(enum bpf_prog_type type, const struct bpf_prog_load_opts *options)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(type, "nothing", "GPL", insns, ARRAY_SIZE(insns), options);

	REQUIRE(fd >= 0, "%s", strerror(errno));
	return fd;
}

/* Instructions of a row of calls. */
static uint64_t row_count(int fd, const uint16_t *calls)
{
	uint64_t begin = now_ns(CLOCK_MONOTONIC);

	for (int i = 0; i < CALLS; i++)
		rig_call(fd, calls[i]);
	return now_ns(CLOCK_MONOTONIC) - begin;
}

struct counted {
	struct rig rig;
	int hot_path, nothing;
	uint32_t slot;
};

static void command(struct counted *counted, enum ebph_verb verb)
{
	int r = profile_command(counted->rig.profiles, counted->slot, verb);

	REQUIRE(!r, "verb %d: %s", verb, strerror(-r));
}

/* Per call, more than a program that does nothing; before each row @verb is done, if not 0. */
static unsigned int path_count(struct counted *counted, const uint16_t *calls, int verb)
{
	uint64_t least = UINT64_MAX, floor = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t n;

		if (verb)
			command(counted, (enum ebph_verb)verb);
		n = row_count(counted->hot_path, calls);
		least = n < least ? n : least;
		n = row_count(counted->nothing, calls);
		floor = n < floor ? n : floor;
		rig_poll(&counted->rig);
	}
	return (unsigned int)((least - floor + CALLS / 2) / CALLS);
}

/* What the file says for a path on this kernel; 0: nothing. */
static unsigned int allowed(const char *path)
{
	FILE *file = fopen(FILE_OF_COUNTS, "re");
	char line[128], name[64];
	unsigned int major, minor, n, found = 0;
	struct utsname host;

	REQUIRE(file, "%s: %s", FILE_OF_COUNTS, strerror(errno));
	uname(&host);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%u.%u %63s %u", &major, &minor, name, &n) == 4 &&
		    !strcmp(name, path) && kernel_version() == KERNEL(major, minor))
			found = n;
	fclose(file);
	return found;
}

static void path_check(const char *path, unsigned int n)
{
	unsigned int most = allowed(path);

	note("%s: %u instructions a call, %u are noted", path, n, most);
	CHECK(n > 0 && n <= most + most * MARGIN_PERCENT / 100,
	      "%s takes %u instructions, %u are noted in " FILE_OF_COUNTS
	      ": if it must be so, write it there and say why",
	      path, n, most);
	CHECK(n >= most - most * MARGIN_PERCENT / 100,
	      "%s takes only %u instructions: note it, or it may grow again", path, n);
}

/* Feeds rows until nothing new is learned. */
static void learn(struct counted *counted, const uint16_t *calls)
{
	for (int i = 0; i < 8; i++) {
		row_count(counted->hot_path, calls);
		rig_poll(&counted->rig);
	}
}

static void costs(void)
{
	struct counted counted = {
		.nothing = nothing_load(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL),
	};
	struct ebph_settings *settings;
	struct rig *rig = &counted.rig;

	sequences_fill();
	rig_new(rig, 16);
	settings = kernel_settings(rig->kernel);
	settings->min_runs = UINT32_MAX; /* nothing changes by itself */
	settings->tolerize_limit = UINT32_MAX;
	settings->anomaly_limit = UINT32_MAX - 1;
	rig_attach_life(rig);
	counted.hot_path = rig_hot_path_fd(rig);
	rig_call(counted.hot_path, mix[0]);
	counted.slot = rig_slot(rig, "/proc/self/exe");
	REQUIRE(counted.slot, "this program has no profile");
	learn(&counted, mix);
	learn(&counted, lookups);
	path_check("trained", path_count(&counted, mix, 0));
	command(&counted, EBPH_VERB_NORMALIZE);
	path_check("verified", path_count(&counted, mix, 0));
	path_check("lookups", path_count(&counted, lookups, 0));
	path_check("anomaly", path_count(&counted, strange, 0));
	command(&counted, EBPH_VERB_TOLERIZE);
	learn(&counted, strange);
	path_check("train", path_count(&counted, strange, EBPH_VERB_SENSITIZE));
	close(counted.nothing);
	rig_free(rig);
}

/* ---- guards -------------------------------------------------------------------------------- */

/* What a guard stands before, and the call comes to nothing otherwise. */
static void guarded_calls(int file)
{
	for (int i = 0; i < CALLS; i++)
		fchmod(file, 0600); /* bpf_lsm_inode_setattr() */
}

static uint64_t guarded_count(int file)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t begin = now_ns(CLOCK_MONOTONIC), n;

		guarded_calls(file);
		n = now_ns(CLOCK_MONOTONIC) - begin;
		least = n < least ? n : least;
	}
	return least;
}

/* Attaches a program that does nothing where a guard would be. Return: the link's descriptor. */
static int nothing_attach(void)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC);
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf__find_by_name_kind(btf, "bpf_lsm_inode_setattr", BTF_KIND_FUNC), link;
	AUTO_CLOSE int fd = -1;

	btf__free(btf);
	REQUIRE(id > 0, "%s", strerror(-id));
	options.attach_btf_id = (__u32)id;
	fd = nothing_load(BPF_PROG_TYPE_LSM, &options);
	link = bpf_raw_tracepoint_open(NULL, fd);
	REQUIRE(link >= 0, "%s", strerror(errno));
	return link;
}

/* A guard that is asked while nobody is delayed: what the kernel takes to ask it, and itself. */
static void guards(void)
{
	AUTO_CLOSE int file = open("guarded", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct rig rig;
	uint64_t before, asked;
	int nothing;

	REQUIRE(file >= 0, "%s", strerror(errno));
	unlink("guarded");
	rig_new_deferring(&rig);
	before = guarded_count(file);
	nothing = nothing_attach();
	asked = guarded_count(file);
	close(nothing);
	rig_attach_guards(&rig);
	path_check("hook", (unsigned int)((asked - before + CALLS / 2) / CALLS));
	path_check("guard", (unsigned int)((guarded_count(file) - asked + CALLS / 2) / CALLS));
	rig_free(&rig);
}

const struct test cost_tests[] = {
	{.name = "cost: instructions of each path of a call", .run = costs, .is_counted = true},
	{.name = "cost: instructions of a guard while nobody is delayed",
	 .run = guards,
	 .is_counted = true},
	{},
};
