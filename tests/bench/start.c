// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The daemon itself with 10,000 profiles on disk, beside one with 10: how long until it follows the
 * first program, what memory it then has, and what a save writes when nothing has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "enforcer/store.h"
#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/bench/ebphd.h"
#include "tests/harness/tap.h"

#define FEW	     10
#define MANY	     10000
#define START_MS_MAX 2000
#define ROUNDS_SHARE 4 /* every so many of the other cases' rounds, one of these */
#define SAVES	     5 /* passes to be watched, one a second */
#define PROGRAM	     "ebph-bench"

static char folder[] = "/dev/shm/ebph-start.XXXXXX";

/* A daemon, and what is known of its runs. */
struct run {
	const char *name;
	size_t n;
	struct ebphd daemon;
	double *ms, *resident, *in_memory; /* by round */
};

static void dir_make(const char *path)
{
	REQUIRE(!mkdir(path, 0700), "%s: %s", path, strerror(errno));
}

/* ---- profiles on disk ------------------------------------------------------------------- */

/* As many pairs as real programs have, which docs/BENCHMARKS.md tells of: 40 to 200. */
static void words_make(struct image *image, uint32_t number)
{
	size_t n = 40 + 20 * (number % 9);
	uint64_t *words = calloc(n, sizeof(*words)), hash = number + 1;

	REQUIRE(words, "no memory");
	for (size_t i = 0; i < n; i++) {
		hash *= EBPH_GOLDEN;
		words[i] = ebph_word_key(hash >> 32 & 0x3f, hash >> 48 & 0x1ff) |
			   ebph_word_bits(hash % 8 + 1);
	}
	image_words_set(image, words, n);
}

/* The profile of a new executable, which stays where it is. */
static void profile_make(struct store *store, const char *dir, uint32_t number)
{
	IMAGE_CLEANUP struct image image = {
		.machine = image_machine(),
		.state = EBPH_STATE_TRAINING,
		.runs = 3,
		.calls = 1000,
		.last_mod_calls = 500,
		.last_run_ns = (int64_t)now_ns(CLOCK_REALTIME),
	};
	AUTO_CLOSE int fd = -1;
	struct stat st = {};
	int r;

	REQUIRE(asprintf(&image.path, "%s/" PROGRAM "-%u", dir, number) > 0, "no memory");
	fd = open(image.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	REQUIRE(fd >= 0 && write(fd, "\n", 1) == 1 && !fstat(fd, &st), "%s: %s", image.path,
		strerror(errno));
	image.exe.ino = st.st_ino;
	image.exe.mtime_ns = st.st_mtim.tv_sec * (int64_t)NSEC_PER_SEC + st.st_mtim.tv_nsec;
	image.exe.dev = major(st.st_dev) << 20 | minor(st.st_dev);
	words_make(&image, number);
	r = store_save(store, &image);
	REQUIRE(!r, "cannot save a profile: %s", strerror(-r));
}

static void run_make(struct run *run)
{
	AUTO_FREE char *state = NULL, *programs = NULL, *store_lines = NULL;
	char reason[STORE_REASON_MAX];
	struct store *store;
	char *top;

	REQUIRE(asprintf(&top, "%s/%s", folder, run->name) > 0, "no memory");
	run->daemon.folder = top;
	state = ebphd_path(&run->daemon, "state");
	programs = ebphd_path(&run->daemon, "programs");
	dir_make(top);
	dir_make(programs);
	REQUIRE(!store_open(state, &store, reason), "%s: %s", state, reason);
	for (uint32_t i = 0; i < run->n; i++)
		profile_make(store, programs, i);
	store_free(store);
	REQUIRE(asprintf(&store_lines, "max_profiles = %u\nsave_interval = 1s\n",
			 MANY + 2 * PROFILE_SLOT_STOCK) > 0,
		"no memory");
	ebphd_configure(&run->daemon, "", store_lines, "");
}

/* ---- the daemon --------------------------------------------------------------------------- */

/* Resident memory in bytes. */
static double resident(const struct run *run)
{
	AUTO_FCLOSE FILE *file = NULL;
	unsigned long pages = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/statm", run->daemon.pid);
	file = fopen(path, "re");
	REQUIRE(file && fscanf(file, "%*u %lu", &pages) == 1, "%s: %s", path, strerror(errno));
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* How many profiles it says to have put into memory. */
static double in_memory(const struct run *run)
{
	AUTO_FREE char *log = ebphd_path(&run->daemon, "log");
	AUTO_FCLOSE FILE *file = fopen(log, "re");
	unsigned int n = 0;
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "ebphd: %*u profiles in %*[^,], %u of them", &n) == 1)
			return n;
	return 0;
}

static void round_run(struct run *run, size_t round)
{
	run->ms[round] = ebphd_start(&run->daemon);
	run->resident[round] = resident(run);
	run->in_memory[round] = in_memory(run);
	ebphd_end(&run->daemon);
}

/* ---- what a save writes --------------------------------------------------------------------- */

/* Return: changes in the directory; those of files that are not ours through @ret_others. */
static size_t changes_count(int inotify, size_t *ret_others)
{
	char buffer[65536] __attribute__((aligned(8)));
	size_t ours = 0;
	ssize_t n;

	while ((n = read(inotify, buffer, sizeof(buffer))) > 0) {
		const struct inotify_event *event;

		for (char *at = buffer; at < buffer + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			REQUIRE(!(event->mask & IN_Q_OVERFLOW), "too many changes");
			if (event->len && !strncmp(event->name, PROGRAM, strlen(PROGRAM)))
				ours++;
			else
				++*ret_others;
		}
	}
	return ours;
}

/* A new program runs, too: that something is written is seen. */
static void saves_watch(struct report *report, struct run *run)
{
	static const char *const paths[] = {TINY_PROGRAM};
	struct spawn spawn = {.paths = paths, .n_paths = 1};
	AUTO_FREE char *state = ebphd_path(&run->daemon, "state");
	AUTO_CLOSE int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	size_t ours, others = 0;

	ebphd_start(&run->daemon);
	REQUIRE(inotify >= 0 && inotify_add_watch(inotify, state,
						  IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_MOVE |
							  IN_DELETE) >= 0,
		"%s: %s", state, strerror(errno));
	spawn_once(&spawn);
	sleep(SAVES + 1);
	ebphd_end(&run->daemon); /* with a save at the end */
	ours = changes_count(inotify, &others);
	CHECK(!ours, "%zu changes of profiles that have not changed", ours);
	CHECK(others, "nothing was written of a new program");
	report_value(report, "changes on disk by 6 saves of 10,000 unchanged profiles", "",
		     (double)ours, 0);
	report_value(report, "changes on disk by them for programs that ran meanwhile", "",
		     (double)others, 0);
}

/* ---- the case ------------------------------------------------------------------------------- */

static void runs_report(struct report *report, const struct run *few, const struct run *many,
			size_t n)
{
	AUTO_FREE double *more = calloc(n, sizeof(*more));

	REQUIRE(more, "no memory");
	for (size_t i = 0; i < n; i++)
		more[i] = many->ms[i] - few->ms[i];
	report_values(report, "start of ebphd, 10 profiles on disk", "ms", few->ms, n, 0);
	report_values(report, "start of ebphd, 10,000 profiles on disk", "ms", many->ms, n,
		      START_MS_MAX);
	report_values(report, "of it for reading and placing them", "ms", more, n, 0);
	report_values(report, "profiles in memory then", "", many->in_memory, n, 0);
	report_values(report, "resident memory of ebphd, 10 profiles", "bytes", few->resident, n,
		      0);
	report_values(report, "resident memory of ebphd, 10,000 profiles", "bytes", many->resident,
		      n, 0);
}

void start_bench(struct bench *bench)
{
	struct run few = {.name = "few", .n = FEW}, many = {.name = "many", .n = MANY};
	struct run *const runs[] = {&few, &many};
	size_t n = (bench->rounds + ROUNDS_SHARE - 1) / ROUNDS_SHARE;

	REQUIRE(mkdtemp(folder), "%s: %s", folder, strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		runs[i]->ms = calloc(n, sizeof(double));
		runs[i]->resident = calloc(n, sizeof(double));
		runs[i]->in_memory = calloc(n, sizeof(double));
		REQUIRE(runs[i]->ms && runs[i]->resident && runs[i]->in_memory, "no memory");
		run_make(runs[i]);
	}
	for (size_t round = 0; round < n; round++) {
		fprintf(stderr, "\rstart: round %zu of %zu ", round + 1, n);
		for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
			round_run(runs[(round + i) % ARRAY_SIZE(runs)], round);
	}
	fputs("\r\033[K", stderr);
	runs_report(bench->report, &few, &many, n);
	saves_watch(bench->report, &many);
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		free(runs[i]->ms);
		free(runs[i]->resident);
		free(runs[i]->in_memory);
		free((char *)runs[i]->daemon.folder);
	}
	folder_remove(folder);
}
