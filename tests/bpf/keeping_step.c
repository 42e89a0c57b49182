// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What keeps profiles, one step after the other in an order that rarely comes by itself. No program
 * runs: slots are taken as if one did.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "enforcer/event.h"
#include "enforcer/restore.h"
#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/child.h"
#include "tests/harness/tap.h"

#define N_SLOTS	   16
#define OWN_WORD   (ebph_word_key(1, 2) | EBPH_WORD_NORMAL_BITS | EBPH_WORD_TRAINING_BITS)
#define OLDER_WORD (ebph_word_key(3, 4) | EBPH_WORD_NORMAL_BITS | EBPH_WORD_TRAINING_BITS)

struct steps {
	struct rig rig;
	struct event_sink sink;
	struct keep *keep;
	char folder[64], state_dir[80], path[80];
	struct ebph_exe exe; /* at .path */
};

static void steps_new(struct steps *steps)
{
	struct stat st = {};
	int fd;

	memset(steps, 0, sizeof(*steps));
	snprintf(steps->folder, sizeof(steps->folder), "/tmp/ebph-steps-XXXXXX");
	REQUIRE(mkdtemp(steps->folder), "%s", strerror(errno));
	snprintf(steps->state_dir, sizeof(steps->state_dir), "%s/state", steps->folder);
	snprintf(steps->path, sizeof(steps->path), "%s/program", steps->folder);
	fd = open(steps->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	REQUIRE(fd >= 0 && !fstat(fd, &st), "%s: %s", steps->path, strerror(errno));
	close(fd);
	steps->exe = (struct ebph_exe){
		.ino = st.st_ino,
		.mtime_ns = st.st_mtim.tv_sec * (int64_t)NSEC_PER_SEC + st.st_mtim.tv_nsec,
		.dev = major(st.st_dev) << 20 | minor(st.st_dev),
	};
	rig_new(&steps->rig, N_SLOTS);
	free(steps->rig.conf->store.state_dir);
	steps->rig.conf->store.state_dir = strdup(steps->state_dir);
}

/* A profile on disk. */
static void steps_save(const struct steps *steps, const struct ebph_exe *exe, enum ebph_state state,
		       const char *path, uint64_t word)
{
	struct image image = {
		.exe = *exe,
		.machine = image_machine(),
		.state = state,
		.path = (char *)path,
		.words = &word,
		.n_words = 1,
	};
	char reason[STORE_REASON_MAX] = "";
	struct store *store;
	int r = store_open(steps->state_dir, &store, reason);

	REQUIRE(!r, "%s: %s", steps->state_dir, reason);
	r = store_save(store, &image);
	REQUIRE(!r, "%s", strerror(-r));
	store_free(store);
}

/* Another file was at the path. */
static struct ebph_exe older_exe(const struct steps *steps)
{
	struct ebph_exe exe = steps->exe;

	exe.ino++;
	return exe;
}

static void steps_begin(struct steps *steps)
{
	int r;

	steps->sink = (struct event_sink){.profiles = steps->rig.profiles, .journal.fd = -1};
	r = keep_new(steps->rig.conf, steps->rig.profiles, &steps->sink, &steps->keep);
	REQUIRE(!r, "%s", strerror(-r));
	steps->sink.keep = steps->keep;
	r = keep_start(steps->keep);
	REQUIRE(!r, "%s", strerror(-r));
}

static void steps_free(struct steps *steps)
{
	pid_t saver = steps->keep->saver.pid;
	struct child child;

	keep_free(steps->keep);
	waitpid(saver, NULL, 0);
	rig_free(&steps->rig);
	RUN(&child, "rm", "-r", steps->folder);
}

/* The executable runs in a slot of its own. */
static uint32_t slot_take(struct steps *steps, const struct ebph_exe *exe)
{
	struct kernel *kernel = steps->rig.kernel;
	uint32_t slot = 0;

	REQUIRE(!bpf_map_lookup_and_delete_elem(kernel_free_slots_fd(kernel), NULL, &slot), "%s",
		strerror(errno));
	kernel->heads[slot].exe = *exe;
	kernel->heads[slot].state = EBPH_STATE_LOADING;
	REQUIRE(!bpf_map_update_elem(kernel_profiles_fd(kernel), exe, &slot, BPF_ANY), "%s",
		strerror(errno));
	kernel->heads[slot].tasks = 1;
	return slot;
}

/* The saver does what it has to. */
static void saver_answers(struct steps *steps)
{
	struct pollfd answer = {.fd = steps->keep->saver.fd, .events = POLLIN};

	while (steps->keep->saver.busy) {
		REQUIRE(poll(&answer, 1, 10000) == 1, "the saver does not answer");
		keep_answered(steps->keep);
	}
}

static uint64_t word_of(const struct steps *steps, uint32_t slot, uint64_t word)
{
	AUTO_FREE uint64_t *words = NULL;
	size_t n = 0;
	int r = profile_words(steps->rig.profiles, slot, &words, &n);

	REQUIRE(!r, "%s", strerror(-r));
	for (size_t i = 0; i < n; i++)
		if ((words[i] & EBPH_WORD_KEY_MASK) == (word & EBPH_WORD_KEY_MASK))
			return words[i];
	return 0;
}

/* Two processes begin at once: what comes back is the profile, and nothing of an older version. */
static void twice(void)
{
	struct steps steps;
	struct ebph_exe older;
	uint32_t slot;

	steps_new(&steps);
	steps_save(&steps, &steps.exe, EBPH_STATE_NORMAL, NULL, OWN_WORD);
	older = older_exe(&steps);
	steps_save(&steps, &older, EBPH_STATE_NORMAL, steps.path, OLDER_WORD);
	steps_begin(&steps);
	slot = slot_take(&steps, &steps.exe);
	profile_known_path(steps.rig.profiles, slot, steps.path);
	REQUIRE(steps.rig.profiles->notes[slot].path, "%s is not known", steps.path);
	keep_announced(steps.keep, slot);
	keep_announced(steps.keep, slot);
	saver_answers(&steps);
	CHECK(keep_state(steps.keep, slot) == EBPH_STATE_NORMAL, "state %u",
	      keep_state(steps.keep, slot));
	CHECK(word_of(&steps, slot, OWN_WORD) == OWN_WORD, "it is not back");
	CHECK(word_of(&steps, slot, OLDER_WORD) == 0, "an older version's pairs are in it");
	steps_free(&steps);
}

/* A slot waits for an older version's profile, and another takes over from it: no way back. */
static void taken_over(void)
{
	struct steps steps;
	struct ebph_exe older;
	uint32_t old, slot;

	steps_new(&steps);
	older = older_exe(&steps);
	steps_save(&steps, &older, EBPH_STATE_TRAINING, steps.path, OLDER_WORD);
	steps_begin(&steps);
	old = slot_take(&steps, &steps.exe);
	keep_announced(steps.keep, old);
	restore_begin(steps.keep, 1);
	CHECK(keep_state(steps.keep, old) == EBPH_STATE_TRAINING, "state %u",
	      keep_state(steps.keep, old));
	keep_head(steps.keep, old)->normal_due_ns = UINT64_MAX;
	keep_head(steps.keep, old)->state = EBPH_STATE_FROZEN;
	profile_known_path(steps.rig.profiles, old, steps.path);
	keep_announced(steps.keep, old);
	CHECK(steps.keep->saver.busy, "it does not wait");
	slot = slot_take(&steps, &steps.exe);
	profile_known_path(steps.rig.profiles, slot, steps.path);
	keep_announced(steps.keep, slot);
	saver_answers(&steps);
	CHECK(steps.rig.profiles->notes[old].twin == slot, "nobody has taken over");
	CHECK(steps.rig.profiles->notes[slot].twin == 0, "and back again");
	CHECK(steps.keep->n_detached == 1, "%u slots", steps.keep->n_detached);
	steps_free(&steps);
}

/* A program takes a slot and gives it back, as another was first: it is not lost. */
static void given_back(void)
{
	struct steps steps;
	struct profiles *profiles;
	uint32_t slot;
	bool more;

	steps_new(&steps);
	steps_begin(&steps);
	profiles = steps.rig.profiles;
	slot = slot_take(&steps, &steps.exe);
	REQUIRE(!profiles_stock(profiles, &more), "no stock");
	memset(&steps.rig.kernel->heads[slot], 0, sizeof(*steps.rig.kernel->heads));
	REQUIRE(!bpf_map_update_elem(kernel_free_slots_fd(steps.rig.kernel), NULL, &slot, BPF_ANY),
		"%s", strerror(errno));
	profiles->n_load_waits = UINT32_MAX;
	REQUIRE(!profiles_stock(profiles, &more), "no stock");
	CHECK(profiles->n_vacant == profiles->next_slot - 1, "%u of %u slots are vacant",
	      profiles->n_vacant, profiles->next_slot - 1);
	CHECK(profiles->n_stocked == 0, "%u are not withdrawn", profiles->n_stocked);
	steps_free(&steps);
}

/* What a program was loaded from goes when it is saved; not if it is in use by its own one. */
static void renumbered(void)
{
	struct steps steps;
	struct ebph_exe other;
	uint32_t slot, others;

	steps_new(&steps);
	other = steps.exe;
	other.dev++;
	steps_save(&steps, &other, EBPH_STATE_NORMAL, steps.path, OWN_WORD);
	steps_begin(&steps);
	slot = slot_take(&steps, &steps.exe);
	profile_known_path(steps.rig.profiles, slot, steps.path);
	keep_announced(steps.keep, slot);
	saver_answers(&steps);
	others = slot_take(&steps, &other);
	keep_announced(steps.keep, others);
	saver_answers(&steps);
	CHECK(keep_state(steps.keep, slot) == EBPH_STATE_NORMAL &&
		      keep_state(steps.keep, others) == EBPH_STATE_NORMAL,
	      "states %u and %u", keep_state(steps.keep, slot), keep_state(steps.keep, others));
	keep_became_normal(steps.keep, slot);
	saver_answers(&steps);
	CHECK(keep_is_saved(steps.keep, slot), "it is not saved");
	CHECK(catalog_find(&steps.keep->catalog, &other), "the other's entry is gone");
	steps_free(&steps);
}

static bool always(void *context, uint32_t slot)
{
	(void)context;
	(void)slot;
	return true;
}

/* The kernel refuses a map when profiles leave: each of them has left, or is as it was. */
static void half_left(void)
{
	struct steps steps;
	struct rlimit limit, few;
	uint32_t slots[3], n_left = 0;
	int left, fd;

	steps_new(&steps);
	steps_begin(&steps);
	for (uint32_t i = 0; i < 3; i++) {
		struct ebph_exe exe = steps.exe;
		uint64_t word = OWN_WORD;

		exe.ino += i;
		slots[i] = slot_take(&steps, &exe);
		steps.rig.kernel->heads[slots[i]].tasks = 0;
		steps.rig.kernel->heads[slots[i]].state = EBPH_STATE_NORMAL;
		REQUIRE(!kernel_merge(steps.rig.kernel, slots[i], &word, 1), "no word");
		REQUIRE(!i || !profile_grow(steps.rig.profiles, slots[i], 0), "no larger set");
	}
	/* For one descriptor there is room. */
	fd = dup(STDERR_FILENO);
	close(fd);
	getrlimit(RLIMIT_NOFILE, &limit);
	few = (struct rlimit){.rlim_cur = (rlim_t)fd + 1, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &few);
	left = profiles_retire(steps.rig.profiles, slots, 3, always, NULL);
	setrlimit(RLIMIT_NOFILE, &limit);
	for (uint32_t i = 0; i < 3; i++) {
		bool has_left = keep_state(steps.keep, slots[i]) == EBPH_STATE_NONE;

		CHECK(has_left || word_of(&steps, slots[i], OWN_WORD) == OWN_WORD,
		      "slot %u has a profile without pairs", slots[i]);
		CHECK(has_left == ((int)i < left), "slot %u of %d that have left", i, left);
		n_left += has_left;
	}
	CHECK(n_left == 2, "%u have left", n_left);
	steps_free(&steps);
}

const struct test keeping_step_tests[] = {
	{.name = "keeping: a profile that is asked for twice comes back once", .run = twice},
	{.name = "keeping: who has been taken over from takes over no more", .run = taken_over},
	{.name = "keeping: what is loaded under another device's number", .run = renumbered},
	{.name = "keeping: a profile leaves as a whole or not at all", .run = half_left},
	{.name = "keeping: a slot that a program gives back is not lost", .run = given_back},
	{},
};
