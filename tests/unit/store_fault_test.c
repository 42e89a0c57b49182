/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saving when the disk is full, when it is read-only, and when the power goes. The linker takes
 * the wrappers below instead of the C library's functions (tests/tests.mk).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "random.h"
#include "disk.h"
#include "image_sample.h"
#include "store_rig.h"

#define PROGRAMS   4
#define POINTS_MIN 600
#define VARIANTS   4   /* of what is left, at each point */
#define WRITE_MAX  100 /* bytes at a time, so that there is something between two writes */

/* ---- the wrappers ---------------------------------------------------------------------- */

enum call { CALL_OPENAT, CALL_WRITE, CALL_FSYNC, CALL_RENAMEAT, CALL_UNLINKAT, CALLS };

static struct {
	bool recording;	    /* keep book, and ask before each call what a cut would leave */
	unsigned int fault; /* the number of the call that fails; 0: none */
	bool lasting;	    /* and all that come after it */
	int error;
	unsigned int n; /* calls */
	unsigned int of[CALLS];
} wrap;

static void power_cut(void);

/* Before each call. Return: must it fail? errno says why then. */
static bool call_begin(enum call call)
{
	wrap.n++;
	wrap.of[call]++;
	if (wrap.recording)
		power_cut();
	errno = wrap.error;
	return wrap.fault && (wrap.n == wrap.fault || (wrap.lasting && wrap.n > wrap.fault));
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): ld --wrap wants them so */
int __real_openat(int dir_fd, const char *name, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t bytes);
int __real_renameat(int old_dir, const char *old, int new_dir, const char *new);
int __real_unlinkat(int dir_fd, const char *name, int flags);

int __wrap_openat(int dir_fd, const char *name, int flags, mode_t mode);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);
int __wrap_fsync(int fd);
int __wrap_renameat(int old_dir, const char *old, int new_dir, const char *new);
int __wrap_unlinkat(int dir_fd, const char *name, int flags);

int __wrap_openat(int dir_fd, const char *name, int flags, mode_t mode)
{
	int fd;

	if (call_begin(CALL_OPENAT))
		return -1;
	fd = __real_openat(dir_fd, name, flags, mode); /* which is not looked at without O_CREAT */
	if (wrap.recording && fd >= 0)
		disk_open(name, flags, fd);
	return fd;
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	ssize_t n;

	if (call_begin(CALL_WRITE))
		return -1;
	n = __real_write(fd, data, bytes > WRITE_MAX ? WRITE_MAX : bytes);
	if (wrap.recording && n > 0)
		disk_write(fd, data, (size_t)n);
	return n;
}

/* Nothing here depends on the real disk, which would take its time. */
int __wrap_fsync(int fd)
{
	if (call_begin(CALL_FSYNC))
		return -1;
	if (wrap.recording)
		disk_sync(fd);
	return 0;
}

int __wrap_renameat(int old_dir, const char *old, int new_dir, const char *new)
{
	if (call_begin(CALL_RENAMEAT) || __real_renameat(old_dir, old, new_dir, new))
		return -1;
	if (wrap.recording)
		disk_rename(old, new);
	return 0;
}

int __wrap_unlinkat(int dir_fd, const char *name, int flags)
{
	if (call_begin(CALL_UNLINKAT) || __real_unlinkat(dir_fd, name, flags))
		return -1;
	if (wrap.recording)
		disk_unlink(name);
	return 0;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- what is in the directory ---------------------------------------------------------- */

static struct image program(uint32_t number, uint32_t version)
{
	return sample(number, version, (number * 7 + version * 5) % 40);
}

static int save(struct store *store, uint32_t number, uint32_t version)
{
	IMAGE_CLEANUP struct image image = program(number, version);

	return store_save(store, &image);
}

static void assert_version(struct store *store, uint32_t number, uint32_t version)
{
	IMAGE_CLEANUP struct image wanted = program(number, version), image = {0};
	char name[STORE_NAME_MAX], reason[STORE_REASON_MAX] = "";

	store_name(&wanted, name);
	if (store_load(store, name, &image, reason))
		fail_msg("%s: %s", name, reason);
	assert_same_image(&image, &wanted);
}

/* ---- power cuts ------------------------------------------------------------------------ */

/* Versions by program; 0: there is none. */
static struct {
	uint32_t safe[PROGRAMS];    /* of the last call that returned 0 */
	uint32_t pending[PROGRAMS]; /* of the one that is under way, else as .safe */
	uint64_t random;
	unsigned int points;
	void (*check)(const char *dir); /* one of the ways in which the power may have gone */
} series;

static void check_program(const struct seen *seen, uint32_t number)
{
	uint32_t safe = series.safe[number], pending = series.pending[number], found = 0;

	for (unsigned int i = 0; i < seen->n_good; i++) {
		if (seen->good[i].exe.ino != number)
			continue;
		IMAGE_CLEANUP struct image wanted = program(number, seen->good[i].runs);

		found = seen->good[i].runs;
		assert_same_image(&seen->good[i], &wanted);
	}
	if (found != safe && found != pending)
		fail_msg("point %u: program %u is of version %u, neither %u nor %u", series.points,
			 number, found, safe, pending);
}

static void check_remains(const char *dir)
{
	STORE_CLEANUP struct store *store = opened(dir);
	SEEN_CLEANUP struct seen seen = {0};

	seen = scanned(store);
	if (seen.n_bad)
		fail_msg("point %u: %s: %s", series.points, seen.bad[0], seen.reason[0]);
	for (uint32_t i = 0; i < PROGRAMS; i++)
		check_program(&seen, i);
	assert_int_equal(entries(dir, NULL), seen.n_good);
	/* Life goes on. */
	assert_int_equal(save(store, 1, 1000), 0);
	assert_version(store, 1, 1000);
}

static void power_cut(void)
{
	char dir[128];

	if (!series.check)
		return;
	wrap.recording = false;
	series.points++;
	for (unsigned int i = 0; i < VARIANTS; i++) {
		snprintf(dir, sizeof(dir), "%s/remains", folder);
		remains_write(dir, &series.random);
		series.check(dir);
		assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
	wrap.recording = true;
}

/* Saves version @version of a program, or removes it when that is 0. */
static void series_step(struct store *store, uint32_t number, uint32_t version)
{
	IMAGE_CLEANUP struct image image = program(number, version);
	char name[STORE_NAME_MAX];

	store_name(&image, name);
	series.pending[number] = version;
	assert_int_equal(version ? store_save(store, &image) : store_remove(store, name), 0);
	series.safe[number] = version;
}

static void power_cut_leaves_the_old_or_the_new_version(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);

	(void)state;
	memset(&series, 0, sizeof(series));
	memset(&wrap, 0, sizeof(wrap));
	series.random = random_start();
	series.check = check_remains;
	disk_reset(store->dir_fd);
	wrap.recording = true;
	for (uint32_t version = 1; series.points < POINTS_MIN; version++) {
		bool removal = !random_below(&series.random, 8);

		series_step(store, random_below(&series.random, PROGRAMS), removal ? 0 : version);
	}
	wrap.recording = false;
	/* A wrapper that is not called sees nothing: the C library has other names for some. */
	for (unsigned int i = 0; i < CALLS; i++)
		assert_true(wrap.of[i] > 0);
	print_message("# %u power cuts at %u points\n", series.points * VARIANTS, series.points);
	disk_reset(-1);
}

/* ---- what another version wrote --------------------------------------------------------- */

#define OTHER_ROUNDS 20

/* Where such a file lies that is to be replaced, and where it lies then. */
static char other_name[STORE_NAME_MAX], other_kept[STORE_NAME_MAX + 16];
static struct bytes other;

/* Makes one, the @round-th, which differs from the others. */
static void other_make(uint32_t round)
{
	IMAGE_CLEANUP struct image image = sample(1, round, 10);
	uint32_t crc;
	char *data;

	bytes_clear(&other);
	other = encoded(&image);
	data = other.data;
	data[8] = 2; /* the version */
	memset(data + 12, 0, sizeof(crc));
	crc = (uint32_t)crc32(0, other.data, (uInt)other.n);
	memcpy(data + 12, &crc, sizeof(crc));
	store_name(&image, other_name);
	snprintf(other_kept, sizeof(other_kept), "%s.other-%08x", other_name, crc);
}

/* Is it all that the file @name holds? */
static bool holds_other(const char *dir, const char *name)
{
	char path[PATH_MAX], data[CONTENT_BYTES];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, data, sizeof(data)) == (ssize_t)other.n &&
	       !memcmp(data, other.data, other.n);
}

/* It is there under one of its names; ours is there or not yet, whole; what is half will go. */
static void check_other(const char *dir)
{
	STORE_CLEANUP struct store *store = opened(dir);
	bool moved = holds_other(dir, other_kept);
	unsigned int ours = entries(dir, STORE_SUFFIX);

	assert_true(moved || holds_other(dir, other_name));
	assert_int_equal(entries(dir, NULL), ours + moved);
	if (moved && ours && !holds_other(dir, other_name))
		assert_version(store, 1, 1);
}

static void power_cut_leaves_what_another_version_wrote(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);

	(void)state;
	memset(&series, 0, sizeof(series));
	memset(&wrap, 0, sizeof(wrap));
	series.random = random_start();
	series.check = check_other;
	for (uint32_t i = 0; i < OTHER_ROUNDS; i++) {
		other_make(i);
		disk_reset(store->dir_fd);
		series.check = NULL;
		wrap.recording = true;
		assert_int_equal(store_save_bytes(store, other_name, other.data, other.n), 0);
		series.check = check_other;
		assert_int_equal(save(store, 1, 1), 0);
		assert_int_equal(save(store, 1, 1), 0); /* nothing is in the way any more */
		wrap.recording = false;
		assert_true(holds_other(profiles, other_kept));
		assert_version(store, 1, 1);
		assert_int_equal(entries(profiles, NULL), 2);
		assert_int_equal(store_remove(store, other_name), 0);
		assert_int_equal(unlinkat(store->dir_fd, other_kept, 0), 0);
	}
	print_message("# %u power cuts at %u points\n", series.points * VARIANTS, series.points);
	disk_reset(-1);
	bytes_clear(&other);
	other.data = NULL;
}

/* ---- errors ---------------------------------------------------------------------------- */

static void fault_set(unsigned int at, int error, bool lasting)
{
	memset(&wrap, 0, sizeof(wrap));
	wrap.fault = at;
	wrap.error = error;
	wrap.lasting = lasting;
}

/* How many calls a save makes; the last one syncs the directory. */
static unsigned int save_calls(void)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	unsigned int n;

	fault_set(0, 0, false);
	assert_int_equal(save(store, 1, 2), 0);
	n = wrap.n;
	assert_true(n >= 6 && wrap.of[CALL_WRITE] >= 2 && wrap.of[CALL_FSYNC] == 2);
	assert_int_equal(save(store, 1, 1), 0);
	return n;
}

/* Call @at of a save fails. After the rename the new one is there, and its fate unknown. */
static void check_fault(unsigned int at, unsigned int last, int error)
{
	STORE_CLEANUP struct store *store = opened(profiles);

	assert_int_equal(save(store, 1, 1), 0);
	fault_set(at, error, false);
	assert_int_equal(save(store, 1, 2), -error);
	assert_int_equal(save(store, 2, 1), 0);
	fault_set(0, 0, false);
	assert_version(store, 1, at == last ? 2 : 1);
	assert_version(store, 2, 1);
	assert_int_equal(entries(profiles, NULL), 2);
}

/* It and all that come after it fail: what was begun cannot even be removed. */
static void check_lasting_fault(unsigned int at, unsigned int last, int error)
{
	struct store *store = opened(profiles);

	assert_int_equal(save(store, 1, 1), 0);
	fault_set(at, error, true);
	assert_int_equal(save(store, 1, 2), -error);
	assert_int_equal(save(store, 1, 3), -error);
	fault_set(0, 0, false);
	assert_version(store, 1, at == last ? 2 : 1);
	assert_true(entries(profiles, STORE_SUFFIX) == 2 && entries(profiles, NULL) <= 3);
	store_free(store);
	store_free(opened(profiles));
	assert_int_equal(entries(profiles, NULL), 2);
}

static void errors_leave_the_old_version_and_nothing_else(void **state)
{
	static const int errors[] = {ENOSPC, EROFS, EIO, EDQUOT};
	unsigned int last = save_calls();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		for (unsigned int at = 1; at <= last; at++) {
			check_fault(at, last, errors[i]);
			check_lasting_fault(at, last, errors[i]);
		}
	}
}

/* Whatever fails when, the other version's file is there; afterwards ours can be saved. */
static void errors_leave_what_another_version_wrote(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	unsigned int at = 0;
	bool failed;

	(void)state;
	do {
		other_make(++at);
		fault_set(0, 0, false);
		assert_int_equal(store_save_bytes(store, other_name, other.data, other.n), 0);
		fault_set(at, EIO, true);
		failed = save(store, 1, 1) != 0;
		fault_set(0, 0, false);
		assert_true(holds_other(profiles, other_kept) || holds_other(profiles, other_name));
		assert_int_equal(save(store, 1, 1), 0);
		assert_true(holds_other(profiles, other_kept));
		assert_version(store, 1, 1);
		assert_int_equal(store_remove(store, other_name), 0);
	} while (failed);
	assert_true(at > 8); /* a fault at each of its calls */
	assert_int_equal(entries(profiles, NULL), at);
	bytes_clear(&other);
	other.data = NULL;
}

static void leftover_in_the_way_is_replaced(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);

	(void)state;
	fault_set(3, EROFS, true); /* after the first write */
	assert_int_equal(save(store, 1, 2), -EROFS);
	fault_set(0, 0, false);
	assert_int_equal(entries(profiles, ".tmp"), 1);
	assert_int_equal(save(store, 1, 3), 0);
	assert_version(store, 1, 3);
	assert_int_equal(entries(profiles, NULL), 1);
}

static void interrupted_write_goes_on(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);

	(void)state;
	fault_set(3, EINTR, false);
	assert_int_equal(save(store, 1, 2), 0);
	fault_set(0, 0, false);
	assert_version(store, 1, 2);
}

static int taken(void *context, const char *name, struct image *image)
{
	(void)name, (void)image;
	++*(unsigned int *)context;
	return 0;
}

static void not_set_aside(void *context, const char *name, int error, const char *reason)
{
	(void)context, (void)name;
	assert_int_equal(error, -EBADMSG);
	assert_non_null(strstr(reason, "cannot be set aside: Read-only"));
}

static void read_only_directory_is_read(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	unsigned int n = 0;

	(void)state;
	assert_int_equal(save(store, 1, 1), 0);
	assert_int_equal(store_save_bytes(store, "bad.profile", "", 0), 0);
	fault_set(2, EROFS, false); /* openat(), then renameat() */
	assert_int_equal(store_scan(store, taken, not_set_aside, &n), 0);
	assert_int_equal(n, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, folder_setup, folder_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(power_cut_leaves_the_old_or_the_new_version),
		TEST(power_cut_leaves_what_another_version_wrote),
		TEST(errors_leave_the_old_version_and_nothing_else),
		TEST(errors_leave_what_another_version_wrote),
		TEST(leftover_in_the_way_is_replaced),
		TEST(interrupted_write_goes_on),
		TEST(read_only_directory_is_read),
	};

	return cmocka_run_group_tests_name("store_fault", tests, NULL, NULL);
}
