// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bpf/strace.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/callname.h"
#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/child.h"
#include "tests/harness/tap.h"

#define PREDICTOR  "tests/bpf/strace_predict.py"
#define N_SLOTS	   64 /* the host may be doing other things meanwhile */
#define N_IDS	   (EBPH_CALL_MASK + 1)
#define SHOWN_MAX  20 /* differences of one executable that are named */
#define ARGV_MAX   16
#define POLL_MS	   10
#define GROWTH_MAX 16 /* a pair set doubles at most so often */

/* ---- the sandbox ------------------------------------------------------------------------- */

static void copy(const char *from, const char *to)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n;

	REQUIRE(in >= 0, "%s: %s: see real_programs in scripts/vm", from, strerror(errno));
	REQUIRE(out >= 0, "%s: %s", to, strerror(errno));
	do
		n = sendfile(out, in, NULL, 1 << 20);
	while (n > 0);
	REQUIRE(!n, "%s: %s", to, strerror(errno));
}

static void path_of(const struct sandbox *sandbox, const char *name, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/bin/%s", sandbox->folder, name);
}

void sandbox_new(struct sandbox *sandbox, const char *const *programs)
{
	char from[PATH_MAX], to[PATH_MAX];

	memset(sandbox, 0, sizeof(*sandbox));
	strcpy(sandbox->folder, STRACE_FOLDER);
	REQUIRE(mkdtemp(sandbox->folder), "%s", strerror(errno));
	path_of(sandbox, "", to);
	REQUIRE(!mkdir(to, 0755), "%s: %s", to, strerror(errno));
	for (; *programs; programs++) {
		const char *slash = strrchr(*programs, '/');

		snprintf(from, sizeof(from), slash ? "%s" : "/usr/bin/%s", *programs);
		path_of(sandbox, slash ? slash + 1 : *programs, to);
		copy(from, to);
	}
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void sandbox_free(struct sandbox *sandbox)
{
	if (sandbox->differs) {
		note("the log is kept in %s", sandbox->folder);
		return;
	}
	nftw(sandbox->folder, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

void sandbox_script(struct sandbox *sandbox, const char *name, const char *interpreter,
		    const char *body)
{
	char path[PATH_MAX], program[PATH_MAX];
	FILE *file;

	path_of(sandbox, name, path);
	path_of(sandbox, interpreter, program);
	file = fopen(path, "we");
	REQUIRE(file, "%s: %s", path, strerror(errno));
	fprintf(file, "#!%s\n%s", program, body);
	fchmod(fileno(file), 0755);
	REQUIRE(!fclose(file), "%s: %s", path, strerror(errno));
}

/* ---- the run ------------------------------------------------------------------------------ */

static const char *child_folder;

/* No variable of the host's gets in, so that the guest and the host do the same. */
static void child_prepare(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/bin", child_folder);
	clearenv();
	setenv("PATH", path, 1);
	setenv("GIT_EXEC_PATH", path, 1);
	setenv("HOME", child_folder, 1);
	setenv("LC_ALL", "C", 1);
	setenv("PYTHONHOME", "/usr", 1);
	if (chdir(child_folder))
		_exit(126);
}

/* Runs @argv, taking the events meanwhile. Return: the wait status. */
static int run_with_events(struct rig *rig, struct child *child, const char *const *argv)
{
	const struct child_how how = {.prepare = child_prepare};
	struct pollfd ended = {.events = POLLIN};

	child_start(child, argv, &how);
	ended.fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	while (!poll(&ended, 1, POLL_MS))
		rig_poll(rig);
	close(ended.fd);
	return child_wait(child);
}

/* One run, observed by both. */
static void observe(struct sandbox *sandbox, struct rig *rig, const char *log,
		    const char *const *argv)
{
	/* strace suppresses the remarks about 32-bit mode when it has -o and no -e quiet. */
	const char *all[ARGV_MAX] = {"/usr/bin/strace",	      "-f", "-n", "-s", "0", "-e",
				     "quiet=path-resolution", "-o", log};
	char program[PATH_MAX];
	struct child child;
	size_t n = 0;
	int status;

	while (all[n])
		n++;
	path_of(sandbox, *argv++, program);
	for (all[n++] = program; *argv && n < ARGV_MAX - 1; argv++)
		all[n++] = *argv;
	REQUIRE(!*argv, "too many arguments");
	child_folder = sandbox->folder;
	rig_attach_all(rig);
	status = run_with_events(rig, &child, all);
	kernel_detach(rig->kernel);
	REQUIRE(WIFEXITED(status) && !WEXITSTATUS(status), "status 0x%x: %s", status, child.output);
	for (int i = 0; i < GROWTH_MAX; i++)
		rig_poll(rig);
}

/* ---- the comparison ------------------------------------------------------------------------ */

/* Masks of distances by current and earlier call id. */
typedef uint8_t masks[N_IDS][N_IDS];

/* What one executable should have learned, and what it has. */
struct account {
	masks required, allowed, learned;
	char exe[PATH_MAX + 64];
	unsigned n_missing, n_extra, n_pairs;
	unsigned n_unmade; /* allowed, not required, not learned: calls that were not made */
};

static void difference_show(const struct account *account, const char *what, unsigned current,
			    unsigned earlier, unsigned distances)
{
	char a[CALLNAME_MAX], b[CALLNAME_MAX], list[3 * EBPH_DISTANCES + 1] = "";

	if (account->n_missing + account->n_extra > SHOWN_MAX)
		return;
	for (int d = 1; d <= EBPH_DISTANCES; d++)
		if (distances & 1u << (d - 1))
			sprintf(list + strlen(list), " %d", d);
	note("%s: %s: %s, earlier %s, at distance%s", strrchr(account->exe, '/') + 1, what,
	     callname(current, a), callname(earlier, b), list);
}

static void account_compare(struct account *account)
{
	for (unsigned c = 0; c < N_IDS; c++) {
		for (unsigned e = 0; e < N_IDS; e++) {
			unsigned learned = account->learned[c][e];
			unsigned missing = account->required[c][e] & ~learned;
			unsigned extra = learned & ~account->allowed[c][e];
			unsigned unmade = account->allowed[c][e] & ~learned & ~missing;

			account->n_pairs += (unsigned)__builtin_popcount(learned);
			account->n_unmade += (unsigned)__builtin_popcount(unmade);
			account->n_missing += (unsigned)__builtin_popcount(missing);
			if (missing)
				difference_show(account, "not learned", c, e, missing);
			account->n_extra += (unsigned)__builtin_popcount(extra);
			if (extra)
				difference_show(account, "never happened", c, e, extra);
		}
	}
}

static void learned_read(struct rig *rig, struct account *account)
{
	AUTO_FREE uint64_t *words = NULL;
	size_t n_words = 0;
	uint32_t slot;
	int r;

	slot = rig_slot(rig, account->exe);
	REQUIRE(slot, "%s has no profile", account->exe);
	r = profile_words(rig->profiles, slot, &words, &n_words);
	REQUIRE(!r, "%s: %s", account->exe, strerror(-r));
	for (size_t i = 0; i < n_words; i++)
		account->learned[ebph_word_current(words[i])][ebph_word_earlier(words[i])] =
			(uint8_t)ebph_word_training(words[i]);
}

/* All that was predicted of an executable has been read. */
static void account_close(struct sandbox *sandbox, struct rig *rig, struct account *account)
{
	REQUIRE(!strncmp(account->exe, sandbox->folder, strlen(sandbox->folder)),
		"%s is none of ours: others may run it, too", account->exe);
	learned_read(rig, account);
	account_compare(account);
	note("%s: %u pairs; %u of calls begun and not made", strrchr(account->exe, '/') + 1,
	     account->n_pairs, account->n_unmade);
	CHECK(!account->n_missing, "%s: %u pairs", account->exe, account->n_missing);
	CHECK(!account->n_extra, "%s: %u pairs", account->exe, account->n_extra);
	sandbox->n_pairs += account->n_pairs;
	sandbox->differs |= account->n_missing || account->n_extra;
	memset(account, 0, sizeof(*account));
}

/* Reads what the predictor prints, and compares one executable after the other. */
static void prediction_read(struct sandbox *sandbox, struct rig *rig, FILE *prediction)
{
	struct account *account = calloc(1, sizeof(*account));
	unsigned current, earlier, required, allowed;
	char line[PATH_MAX + 64];

	REQUIRE(account, "no memory");
	while (fgets(line, sizeof(line), prediction)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "exe ", 4)) {
			if (account->exe[0])
				account_close(sandbox, rig, account);
			snprintf(account->exe, sizeof(account->exe), "%s", line + 4);
			continue;
		}
		REQUIRE(sscanf(line, "word %u %u %u %u", &current, &earlier, &required, &allowed) ==
					4 &&
				current < N_IDS && earlier < N_IDS,
			"%s", line);
		account->required[current][earlier] = (uint8_t)required;
		account->allowed[current][earlier] = (uint8_t)allowed;
	}
	if (account->exe[0])
		account_close(sandbox, rig, account);
	free(account);
}

/* Anything that could explain a difference; of the whole host. */
static void counters_show(struct rig *rig)
{
	for (enum ebph_counter i = 0; i < EBPH_COUNTER_MAX; i++)
		if (kernel_counter(rig->kernel, i))
			note("%s: %ju", kernel_counter_name(i),
			     (uintmax_t)kernel_counter(rig->kernel, i));
	if (kernel_missed_runs(rig->kernel))
		note("missed runs: %ju", (uintmax_t)kernel_missed_runs(rig->kernel));
}

/* Return: what must be learned according to the log. */
static FILE *predict(const struct sandbox *sandbox, const struct rig *rig, const char *log)
{
	char path[sizeof(sandbox->folder) + 16];
	struct child child;
	FILE *prediction;
	int status;

	snprintf(path, sizeof(path), "%s/prediction", sandbox->folder);
	status = RUN(&child, "/usr/bin/python3", "-I", "-S", PREDICTOR, log, path,
		     rig->support.interrupts ? NULL : "--blind");
	REQUIRE(!status, "status 0x%x: %s", status, child.output);
	prediction = fopen(path, "re");
	REQUIRE(prediction, "%s: %s", path, strerror(errno));
	return prediction;
}

void sandbox_compare(struct sandbox *sandbox, const char *const *argv)
{
	char log[sizeof(sandbox->folder) + 8];
	AUTO_FCLOSE FILE *prediction = NULL;
	struct rig rig;

	sandbox->n_pairs = 0;
	snprintf(log, sizeof(log), "%s/log", sandbox->folder);
	rig_new_whole(&rig, N_SLOTS);
	observe(sandbox, &rig, log, argv);
	prediction = predict(sandbox, &rig, log);
	prediction_read(sandbox, &rig, prediction);
	if (sandbox->differs)
		counters_show(&rig);
	rig_free(&rig);
}
