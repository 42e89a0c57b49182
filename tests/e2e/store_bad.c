// SPDX-License-Identifier: GPL-2.0-or-later
/* Directories, files and disks that are not as they should be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "enforcer/store.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/leftover.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

#define NOBODY 65534

/* ---- directories ------------------------------------------------------------------------- */

/* ebphd does not start with this directory, and one line names it and says @why. */
static void dir_refused(const char *dir, const char *why)
{
	static const char conf[] = "/tmp/bad-dir.conf";
	char text[512], line[256];
	struct child child;
	const char *end;
	int status;

	snprintf(text, sizeof(text),
		 "[enforcer]\nrun_dir = /tmp/bad-dir-run\n[response]\ndeferral = no\n"
		 "[store]\nstate_dir = %s\n[log]\nevents =\n",
		 dir);
	file_put(conf, text, strlen(text), 0644);
	status = RUN(&child, "build/ebphd", "--foreground", "--config", conf, "--mode", "dry-run");
	snprintf(line, sizeof(line), "profiles cannot be kept in %s: %s", dir, why);
	end = strchr(child.output, '\n');
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned int)status);
	CHECK(strstr(child.output, line), "it says %s", child.output);
	CHECK(end && !end[1], "not one line: %s", child.output);
	CHECK(leftover_none(10000), "something is left");
}

static void bad_directories(void)
{
	char *dir = shelf_new(), link[64];

	REQUIRE(!mkdir(dir, 0755), "%s", strerror(errno));
	dir_refused(dir, "others may read or write it (mode 0755): chmod 700 it");
	chmod(dir, 0700);
	REQUIRE(!chown(dir, NOBODY, 0), "%s", strerror(errno));
	dir_refused(dir, "it belongs to user 65534: chown it to user 0");
	REQUIRE(!chown(dir, 0, 0), "%s", strerror(errno));
	snprintf(link, sizeof(link), "%s.link", dir);
	REQUIRE(!symlink(dir, link), "%s", strerror(errno));
	dir_refused(link, "it is no directory: move it away");
	unlink(link);
	file_put(link, "", 0, 0600);
	dir_refused(link, "it is no directory: move it away");
	dir_refused("/no/such/folder", "it cannot be made: No such file or directory");
}

static void directory_in_use(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	char text[256], line[256], path[128];
	struct daemon daemon;
	struct child child;
	int status;

	daemon_start(&daemon, "dry-run", &conf);
	snprintf(path, sizeof(path), "%s/other.conf", daemon.folder);
	snprintf(
		text, sizeof(text),
		"[enforcer]\nrun_dir = %s/run\n[response]\ndeferral = no\n[store]\nstate_dir = %s\n"
		"[log]\nevents =\n",
		daemon.folder, conf.state_dir);
	file_put(path, text, strlen(text), 0644);
	status = RUN(&child, "build/ebphd", "--foreground", "--config", path, "--mode", "dry-run");
	snprintf(line, sizeof(line), "profiles cannot be kept in %s: another ebphd uses it",
		 conf.state_dir);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned int)status);
	CHECK(strstr(child.output, line), "it says %s", child.output);
	daemon_stop(&daemon);
}

/* ---- files ----------------------------------------------------------------------------- */

/* One that is not used: what is done to a good one, and what is said of it. */
struct bad_file {
	const char *name;
	const char *reason;
	bool set_aside;
};

static const struct bad_file bad_files[] = {
	{.name = "flipped", .reason = "its checksum is wrong", .set_aside = true},
	{.name = "short", .reason = "its checksum is wrong", .set_aside = true},
	{.name = "empty", .reason = "it is shorter than any profile", .set_aside = true},
	{.name = "version", .reason = "it has the format of another version of ebph"},
	{.name = "writable", .reason = "others may write it (mode 0666)"},
	{.name = "foreign", .reason = "it belongs to user 65534"},
	{.name = "link", .reason = "it is no regular file"},
	{.name = "large", .reason = "it is larger than any profile"},
};

#define N_BAD (sizeof(bad_files) / sizeof(*bad_files))

/* The path of a bad file; static. */
static const char *bad_path(const char *dir, const char *name, const char *more)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s" STORE_SUFFIX "%s", dir, name, more);
	return path;
}

/* A whole file, but of a version that nobody knows. */
static void version_put(const char *path, const unsigned char *good, size_t n)
{
	unsigned char *bytes = malloc(n);
	uint32_t crc;

	REQUIRE(bytes, "no memory");
	memcpy(bytes, good, n);
	bytes[8] = 99;
	memset(bytes + 12, 0, 4);
	crc = (uint32_t)crc32(0, bytes, (uInt)n);
	memcpy(bytes + 12, &crc, sizeof(crc));
	file_put(path, bytes, n, 0600);
	free(bytes);
}

static void bad_files_put(const char *dir)
{
	char *good = shelf_at(dir, "lines-", 0);
	size_t n;
	unsigned char *bytes = file_bytes(good, &n);

	version_put(bad_path(dir, "version", ""), bytes, n);
	file_put(bad_path(dir, "writable", ""), bytes, n, 0666);
	file_put(bad_path(dir, "foreign", ""), bytes, n, 0600);
	CHECK(!chown(bad_path(dir, "foreign", ""), NOBODY, 0), "%s", strerror(errno));
	CHECK(!symlink(good, bad_path(dir, "link", "")), "%s", strerror(errno));
	file_put(bad_path(dir, "large", ""), bytes, n, 0600);
	CHECK(!truncate(bad_path(dir, "large", ""), IMAGE_BYTES_MAX + 1), "%s", strerror(errno));
	file_put(bad_path(dir, "short", ""), bytes, n - 8, 0600);
	file_put(bad_path(dir, "empty", ""), bytes, 0, 0600);
	bytes[n / 2] ^= 4;
	file_put(bad_path(dir, "flipped", ""), bytes, n, 0600);
	free(bytes);
}

static void bad_files_found(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;
	json_t *counters;
	char *log;

	daemon_start(&daemon, "dry-run", &conf);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	daemon_stop(&daemon);
	bad_files_put(conf.state_dir);

	daemon_start(&daemon, "dry-run", &conf);
	CHECK(RUN(&child, lines, "x") == 0, "%s", child.output);
	counters = counters_ask(&daemon);
	CHECK(event_number(counters, "load_failed") == (long)N_BAD, "load_failed %ld",
	      event_number(counters, "load_failed"));
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "anomaly", child.pid) == 2, "%zu anomalies by the good one",
	      events_count(&daemon, "anomaly", child.pid));
	CHECK(events_count_of(&daemon, "load", lines) == 0, "the good one was loaded later");
	log = daemon_log(&daemon);
	for (size_t i = 0; i < N_BAD; i++) {
		const struct bad_file *bad = &bad_files[i];
		char line[256];
		struct stat st;

		snprintf(line, sizeof(line), "%s is not used: %s",
			 bad_path(conf.state_dir, bad->name, ""), bad->reason);
		CHECK(strstr(log, line), "not \"%s\" but %s", line, log);
		CHECK(!lstat(bad_path(conf.state_dir, bad->name, ".damaged"), &st) ==
			      bad->set_aside,
		      "%s.damaged", bad->name);
		CHECK(!lstat(bad_path(conf.state_dir, bad->name, ""), &st) == !bad->set_aside, "%s",
		      bad->name);
	}
}

/* ebphd for one run of a program; is its file, of another version, said not to be used? */
static bool other_version_said(const struct daemon_conf *conf, const char *lines, const char *file)
{
	struct daemon daemon;
	struct child child;
	char line[512], *log;
	bool said;

	daemon_start(&daemon, "dry-run", conf);
	CHECK(RUN(&child, lines) == 0, "%s", child.output);
	daemon_stop(&daemon);
	log = daemon_log(&daemon);
	snprintf(line, sizeof(line),
		 "%s is not used: it has the format of another version of ebph; it stays", file);
	said = strstr(log, line);
	free(log);
	return said;
}

/* An older ebph has its own profile in its place, and the newer one's is not lost. */
static void other_version_kept(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	const char *lines = strdup(program_path(PROGRAM("lines")));
	unsigned char *newer, *kept;
	struct daemon daemon;
	struct image image;
	char *file, path[512];
	size_t n, n_kept;
	uint32_t crc;

	daemon_start(&daemon, "dry-run", &conf);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	daemon_stop(&daemon);
	file = shelf_at(conf.state_dir, "lines-", 0);
	newer = file_bytes(file, &n);
	version_put(file, newer, n);
	free(newer);
	newer = file_bytes(file, &n);
	memcpy(&crc, newer + 12, sizeof(crc));
	snprintf(path, sizeof(path), "%s.other-%08x", file, crc);

	/* Its program trains anew, and goes on with that the next time. */
	CHECK(other_version_said(&conf, lines, file), "the log does not say it");
	CHECK(!other_version_said(&conf, lines, file), "the new one is not used either");
	shelf_read(file, &image);
	CHECK(image.runs == 2 && image.n_words > 20, "%u runs, %zu words", image.runs,
	      image.n_words);
	kept = file_bytes(path, &n_kept);
	CHECK(n_kept == n && !memcmp(kept, newer, n), "%s is not what it was", path);
	CHECK(shelf_count(conf.state_dir, "lines-", "") == 2, "%d files of it",
	      shelf_count(conf.state_dir, "lines-", ""));
}

/* ---- disks ------------------------------------------------------------------------------- */

/* Takes all the room that there is in a file system. */
static void disk_fill(const char *path)
{
	static const char zeros[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0, "%s", strerror(errno));
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	CHECK(errno == ENOSPC, "%s", strerror(errno));
	close(fd);
}

/* Whoever is writing makes the kernel refuse for a moment. */
static void disk_make_readonly(const char *disk)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	while (mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL)) {
		REQUIRE(errno == EBUSY, "%s", strerror(errno));
		nanosleep(&pause, NULL);
	}
}

/* Learning goes on while nothing can be saved, because of @error. */
static void learns_on(struct daemon *daemon, const char *dir, const char *name, const char *error)
{
	char *path = program_copy(program_path(PROGRAM("lines")), daemon->folder, name);
	json_t *event, *counters;
	char prefix[64];

	event = event_wait(daemon, "store", "state", "failing", NULL);
	CHECK(!strcmp(event_text(event, "error"), error), "%s", event_text(event, "error"));
	train(daemon, path, (const char *const[]){path, NULL});
	counters = counters_ask(daemon);
	CHECK(event_number(counters, "save_failed") > 0, "save_failed %ld",
	      event_number(counters, "save_failed"));
	snprintf(prefix, sizeof(prefix), "%s-", name);
	CHECK(shelf_count(dir, prefix, STORE_SUFFIX) == 0, "it was saved nevertheless");
}

static void bad_disks(void)
{
	char disk[] = "/tmp/disk-XXXXXX", dir[64], junk[64];
	const struct daemon_conf conf = {.store = "save_interval = 1s\n", .state_dir = dir};
	struct daemon daemon;

	REQUIRE(mkdtemp(disk) && !mount("none", disk, "tmpfs", 0, "size=64k"), "%s",
		strerror(errno));
	snprintf(dir, sizeof(dir), "%s/state", disk);
	snprintf(junk, sizeof(junk), "%s/junk", disk);
	disk_fill(junk);
	daemon_start(&daemon, "dry-run", &conf);
	learns_on(&daemon, dir, "first", "No space left on device");
	CHECK(shelf_count(dir, "", "") == 0, "%d files on a full disk", shelf_count(dir, "", ""));
	unlink(junk);
	event_wait(&daemon, "store", "state", "good", NULL);
	shelf_await(dir, "first-", STORE_SUFFIX, 1);

	disk_make_readonly(disk);
	learns_on(&daemon, dir, "second", "Read-only file system");
	REQUIRE(!mount(NULL, disk, NULL, MS_REMOUNT, NULL), "%s", strerror(errno));
	event_wait(&daemon, "store", "state", "good", NULL);
	shelf_await(dir, "second-", STORE_SUFFIX, 1);
	daemon_stop(&daemon);
	CHECK(shelf_count(dir, "", ".tmp") == 0, "something half is left");
	CHECK(shelf_count(dir, "first-", STORE_SUFFIX) == 1, "the first one has gone");
	umount2(disk, MNT_DETACH);
}

const struct test store_bad_tests[] = {
	{.name = "store: directories that are refused", .run = bad_directories, .is_once = true},
	{.name = "store: a directory that another ebphd uses",
	 .run = directory_in_use,
	 .is_once = true},
	{.name = "store: files that are not used, beside a good one",
	 .run = bad_files_found,
	 .is_once = true},
	{.name = "store: a file of another version of ebph is kept",
	 .run = other_version_kept,
	 .is_long = true},
	{.name = "store: a full and a read-only disk", .run = bad_disks, .is_once = true},
	{},
};
