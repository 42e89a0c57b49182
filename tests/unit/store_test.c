/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of profiles: whose it must be, and what is made of what lies in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "random.h"
#include "image_sample.h"
#include "store_rig.h"

#define SCAN_FILES 10000

/* ---- files by hand --------------------------------------------------------------------- */

static void file_path(const char *name, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/%s", profiles, name);
}

static void file_put(const char *name, const void *data, size_t bytes)
{
	char path[PATH_MAX];
	AUTO_CLOSE int fd = -1;

	file_path(name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, bytes), bytes);
}

static bool file_is_there(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	file_path(name, path);
	return !lstat(path, &st);
}

/* A good file of program @number; its path. */
static void sample_put(uint32_t number, char ret_path[static PATH_MAX])
{
	IMAGE_CLEANUP struct image image = sample(number, 1, 10);
	BYTES_CLEANUP struct bytes bytes = encoded(&image);
	char name[STORE_NAME_MAX];

	store_name(&image, name);
	file_put(name, bytes.data, bytes.n);
	file_path(name, ret_path);
}

static void assert_refused(const char *dir, int error, const char *part)
{
	char reason[STORE_REASON_MAX] = "";
	struct store *store = NULL;

	assert_int_equal(store_open(dir, &store, reason), error);
	assert_null(store);
	if (!strstr(reason, part))
		fail_msg("\"%s\" says nothing of \"%s\"", reason, part);
}

/* ---- the directory --------------------------------------------------------------------- */

static void it_is_made_and_ours_alone(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	char inner[128];
	struct stat st;

	(void)state;
	assert_int_equal(stat(profiles, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fcntl(store->dir_fd, F_GETFD), FD_CLOEXEC);
	assert_string_equal(store->dir, profiles);
	/* Not its parents. */
	snprintf(inner, sizeof(inner), "%s/a/b", folder);
	assert_refused(inner, -ENOENT, "cannot be made");
}

static void one_that_others_may_use_is_refused(void **state)
{
	static const mode_t modes[] = {0755, 0777, 0710, 0701, 0702};

	(void)state;
	assert_int_equal(mkdir(profiles, 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(chmod(profiles, modes[i]), 0);
		assert_refused(profiles, -EPERM, "chmod 700");
	}
	assert_int_equal(chmod(profiles, 0700), 0);
	store_free(opened(profiles));
}

static void what_is_no_directory_is_refused(void **state)
{
	char target[128], slash[128];
	int fd;

	(void)state;
	snprintf(target, sizeof(target), "%s/target", folder);
	snprintf(slash, sizeof(slash), "%s//", profiles);
	assert_int_equal(mkdir(target, 0700), 0);
	assert_int_equal(symlink(target, profiles), 0);
	assert_refused(profiles, -ENOTDIR, "no directory");
	assert_refused(slash, -ENOTDIR, "no directory");
	assert_int_equal(unlink(profiles), 0);
	fd = open(profiles, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_refused(profiles, -ENOTDIR, "no directory");
	assert_int_equal(unlink(profiles), 0);
	assert_int_equal(mkfifo(profiles, 0600), 0);
	assert_refused(profiles, -ENOTDIR, "no directory");
	assert_int_equal(unlink(profiles), 0);
	store_free(opened(slash));
	assert_refused("", -ENOENT, "cannot be made");
}

static void anothers_is_refused(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("# only root can give files away\n");
		skip();
	}
	assert_int_equal(mkdir(profiles, 0700), 0);
	assert_int_equal(chown(profiles, 65534, 65534), 0);
	assert_refused(profiles, -EPERM, "chown");
}

/* A child that uses the directory for @ms, then dies of its own. */
static pid_t user_start(unsigned int ms)
{
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		char reason[STORE_REASON_MAX];
		struct store *store;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (store_open(profiles, &store, reason) || write(ready[1], "", 1) != 1)
			_exit(1);
		usleep(ms * 1000);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void one_in_use_is_refused(void **state)
{
	uint64_t begin = now_ns(CLOCK_MONOTONIC), waited;
	pid_t child = user_start(60000);

	(void)state;
	assert_refused(profiles, -EBUSY, "another ebphd");
	waited = now_ns(CLOCK_MONOTONIC) - begin;
	assert_true(waited >= 3 * NSEC_PER_SEC);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	store_free(opened(profiles));
}

static void one_in_use_for_a_moment_is_waited_for(void **state)
{
	uint64_t begin = now_ns(CLOCK_MONOTONIC);
	pid_t child = user_start(300);

	(void)state;
	store_free(opened(profiles));
	assert_true(now_ns(CLOCK_MONOTONIC) - begin >= 300 * NSEC_PER_MSEC);
	waitpid(child, NULL, 0);
}

/* ---- names ----------------------------------------------------------------------------- */

static void assert_name(const char *path, const char *begin)
{
	struct image image = {.path = (char *)path, .machine = 1, .exe = {.mtime_ns = -1}};
	char name[STORE_NAME_MAX], expected[STORE_NAME_MAX];

	store_name(&image, name);
	snprintf(expected, sizeof(expected),
		 "%s-0000000000000001-0000000000000000-ffffffffffffffff-00000000-00000000.profile",
		 begin);
	assert_string_equal(name, expected);
}

static void names_are_for_people_and_harmless(void **state)
{
	char path[300] = "/bin/";

	(void)state;
	assert_name("/usr/bin/x86_64-linux-gnu-g++-12", "x86_64-linux-gnu-g++-12");
	assert_name(NULL, "unknown");
	assert_name("/", "unknown");
	assert_name("/bin/.", "_");
	assert_name("/bin/..", "_.");
	assert_name("/bin/.hidden", "_hidden");
	assert_name("/bin/a b\n\x1b[31m\xc3\xa4*?", "a_b___31m____");
	memset(path + 5, 'x', 200);
	assert_name(path, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

static void each_identity_has_its_own_name(void **state)
{
	struct image images[6] = {0};
	char names[6][STORE_NAME_MAX];

	(void)state;
	images[1].machine = 1;
	images[2].exe.ino = 1;
	images[3].exe.mtime_ns = 1;
	images[4].exe.dev = 1;
	images[5].exe.generation = 1;
	for (size_t i = 0; i < 6; i++) {
		store_name(&images[i], names[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	}
}

static void other_names_are_refused(void **state)
{
	static const char *const names[] = {"../x.profile",
					    "/etc/x.profile",
					    ".x.profile",
					    "x",
					    "x.profile.tmp",
					    "a/b.profile",
					    ""};
	STORE_CLEANUP struct store *store = opened(profiles);
	IMAGE_CLEANUP struct image image = {0};
	char reason[STORE_REASON_MAX], longest[STORE_NAME_MAX + 1];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	memcpy(longest + sizeof(longest) - sizeof(STORE_SUFFIX), STORE_SUFFIX,
	       sizeof(STORE_SUFFIX));
	assert_int_equal(store_save_bytes(store, longest, "", 1), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(store_save_bytes(store, names[i], "", 1), -EINVAL);
		assert_int_equal(store_load(store, names[i], &image, reason), -EINVAL);
		assert_int_equal(store_remove(store, names[i]), -EINVAL);
		assert_int_equal(store_set_aside(store, names[i]), -EINVAL);
	}
	assert_int_equal(entries(profiles, NULL), 0);
}

/* ---- files ----------------------------------------------------------------------------- */

static void what_is_saved_is_loaded_and_the_same_when_saved_again(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	IMAGE_CLEANUP struct image image = sample(1, 1, IMAGE_WORDS_MAX), again = {0};
	char name[STORE_NAME_MAX], reason[STORE_REASON_MAX], path[PATH_MAX];
	struct stat st;

	(void)state;
	store_name(&image, name);
	file_path(name, path);
	assert_int_equal(store_load(store, name, &again, reason), -ENOENT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_save(store, &image), 0);
		image_clear(&again);
		assert_int_equal(store_load(store, name, &again, reason), 0);
		assert_same_image(&image, &again);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(entries(profiles, NULL), 1);
	assert_int_equal(store_save_bytes(store, name, path, IMAGE_BYTES_MAX + 1), -E2BIG);
	assert_int_equal(store_remove(store, name), 0);
	assert_int_equal(store_remove(store, name), 0);
	assert_int_equal(entries(profiles, NULL), 0);
}

static void a_link_in_the_way_of_a_save_is_not_followed(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	IMAGE_CLEANUP struct image image = sample(1, 1, 1);
	char name[STORE_NAME_MAX + 4], path[PATH_MAX], victim[128];
	struct stat st;

	(void)state;
	snprintf(victim, sizeof(victim), "%s/victim", folder);
	close(open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	store_name(&image, name);
	file_path(name, path);
	assert_int_equal(symlink(victim, path), 0);
	memcpy(name + strlen(name), ".tmp", 5);
	file_path(name, path);
	assert_int_equal(symlink(victim, path), 0);
	assert_int_equal(store_save(store, &image), 0);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(entries(profiles, NULL), 1);
}

static void socket_put(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/%.20s", profiles, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void what_is_not_ours_to_read_is_left_alone(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	SEEN_CLEANUP struct seen seen = {0};
	char path[PATH_MAX], other[PATH_MAX];

	(void)state;
	sample_put(1, path); /* the only good one */
	file_path("link.profile", other);
	assert_int_equal(symlink(path, other), 0);
	file_path("fifo.profile", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	socket_put("socket.profile");
	file_path("folder.profile", path);
	assert_int_equal(mkdir(path, 0700), 0);
	file_put("all.profile", "", 0);
	file_path("all.profile", path);
	assert_int_equal(chmod(path, 0666), 0);
	file_put("group.profile", "", 0);
	file_path("group.profile", path);
	assert_int_equal(chmod(path, 0620), 0);
	file_put("large.profile", "", 0);
	file_path("large.profile", path);
	assert_int_equal(truncate(path, IMAGE_BYTES_MAX + 1), 0);
	file_put("README", "", 0);
	file_put("old.profile.damaged", "", 0);
	file_put(".profile", "", 0);

	seen = scanned(store);
	assert_int_equal(seen.n_good, 1);
	assert_int_equal(seen.n_bad, 7);
	assert_int_equal(seen_error(&seen, "link.profile"), -EPERM);
	assert_int_equal(seen_error(&seen, "fifo.profile"), -EPERM);
	assert_int_equal(seen_error(&seen, "socket.profile"), -EPERM);
	assert_int_equal(seen_error(&seen, "folder.profile"), -EPERM);
	assert_int_equal(seen_error(&seen, "all.profile"), -EPERM);
	assert_int_equal(seen_error(&seen, "group.profile"), -EPERM);
	assert_int_equal(seen_error(&seen, "large.profile"), -EFBIG);
	assert_int_equal(entries(profiles, NULL), 11);
}

static void anothers_file_is_left_alone(void **state)
{
	STORE_CLEANUP struct store *store = NULL;
	SEEN_CLEANUP struct seen seen = {0};
	char path[PATH_MAX];

	(void)state;
	if (geteuid()) {
		print_message("# only root can give files away\n");
		skip();
	}
	store = opened(profiles);
	sample_put(1, path);
	assert_int_equal(chown(path, 65534, 0), 0);
	seen = scanned(store);
	assert_int_equal(seen.n_good, 0);
	assert_int_equal(seen.error[0], -EPERM);
}

static void damaged_ones_are_set_aside_and_the_others_loaded(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	SEEN_CLEANUP struct seen seen = {0};
	char path[PATH_MAX], name[STORE_NAME_MAX], aside[STORE_NAME_MAX + 8];

	(void)state;
	sample_put(1, path);
	for (uint32_t i = 2; i < 10; i++) {
		IMAGE_CLEANUP struct image image = sample(i, 1, 10);
		BYTES_CLEANUP struct bytes bytes = encoded(&image);

		if (i % 2)
			((char *)bytes.data)[bytes.n / i] ^= 0x40;
		store_name(&image, name);
		file_put(name, bytes.data, bytes.n);
	}
	file_put("empty.profile", "", 0);
	file_put("empty.profile.damaged", "earlier", 7);
	seen = scanned(store);
	assert_int_equal(seen.n_good, 5);
	assert_int_equal(seen.n_bad, 5);
	for (unsigned int i = 0; i < seen.n_bad; i++) {
		assert_int_equal(seen.error[i], -EBADMSG);
		assert_non_null(strstr(seen.reason[i], "it"));
		assert_false(file_is_there(seen.bad[i]));
		snprintf(aside, sizeof(aside), "%s.damaged", seen.bad[i]);
		assert_true(file_is_there(aside));
	}
	seen_clear(&seen);
	seen = scanned(store);
	assert_int_equal(seen.n_good, 5);
	assert_int_equal(seen.n_bad, 0);
}

static void leftovers_are_removed_and_nothing_else(void **state)
{
	(void)state;
	store_free(opened(profiles));
	file_put("x.profile.tmp", "half", 4);
	file_put("y.tmp", "half", 4);
	file_put("README", "", 0);
	file_put("x.tmp.txt", "", 0);
	store_free(opened(profiles));
	assert_false(file_is_there("x.profile.tmp"));
	assert_false(file_is_there("y.tmp"));
	assert_int_equal(entries(profiles, NULL), 2);
}

static int stop_at_two(void *context, const char *name, struct image *image)
{
	(void)name, (void)image; /* not taken over: ASan would find a leak */
	return ++*(int *)context == 2 ? -ECANCELED : 0;
}

static void nobody_expected(void *context, const char *name, int error, const char *reason)
{
	(void)context, (void)error;
	fail_msg("%s: %s", name, reason);
}

static int count(void *context, const char *name, struct image *image)
{
	(void)name, (void)image;
	++*(int *)context;
	return 0;
}

static void many_are_scanned(void **state)
{
	STORE_CLEANUP struct store *store = opened(profiles);
	char path[PATH_MAX];
	uint64_t begin;
	int n = 0;

	(void)state;
	for (uint32_t i = 0; i < SCAN_FILES; i++)
		sample_put(i, path);
	begin = now_ns(CLOCK_MONOTONIC);
	assert_int_equal(store_scan(store, count, nobody_expected, &n), 0);
	print_message("# %d files in %llu ms\n", n,
		      (unsigned long long)((now_ns(CLOCK_MONOTONIC) - begin) / NSEC_PER_MSEC));
	assert_int_equal(n, SCAN_FILES);
	n = 0;
	assert_int_equal(store_scan(store, stop_at_two, nobody_expected, &n), -ECANCELED);
	assert_int_equal(n, 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, folder_setup, folder_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(it_is_made_and_ours_alone),
		TEST(one_that_others_may_use_is_refused),
		TEST(what_is_no_directory_is_refused),
		TEST(anothers_is_refused),
		TEST(one_in_use_is_refused),
		TEST(one_in_use_for_a_moment_is_waited_for),
		TEST(names_are_for_people_and_harmless),
		TEST(each_identity_has_its_own_name),
		TEST(other_names_are_refused),
		TEST(what_is_saved_is_loaded_and_the_same_when_saved_again),
		TEST(a_link_in_the_way_of_a_save_is_not_followed),
		TEST(what_is_not_ours_to_read_is_left_alone),
		TEST(anothers_file_is_left_alone),
		TEST(damaged_ones_are_set_aside_and_the_others_loaded),
		TEST(leftovers_are_removed_and_nothing_else),
		TEST(many_are_scanned),
	};

	umask(022);
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
