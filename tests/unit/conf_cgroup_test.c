/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which control groups a word of [allow] cgroups names, in a tree of directories. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../conf/option.h"
#include "conf_report.h"

/* As a host has them; what is above comes first. */
static const char *const tree[] = {
	"/system.slice",
	"/system.slice/ssh.service",
	"/system.slice/ssh.service/below",
	"/system.slice/xssh.service",
	"/system.slice/a\\x2db.service",
	"/system.slice/system-getty.slice",
	"/system.slice/system-getty.slice/getty@tty1.service",
	"/system.slice/system-getty.slice/getty@tty2.service",
	"/system.slice/docker-1.scope",
	"/system.slice/docker-1.scope/ssh.service",
	"/user.slice",
	"/user.slice/user-0.slice",
	"/user.slice/user-0.slice/session-1.scope",
	"/user.slice/user-0.slice/user@0.service",
	"/user.slice/user-0.slice/user@0.service/app.slice",
	"/user.slice/user-0.slice/user@0.service/app.slice/ssh.service",
	"/no-slice",
	"/no-slice/ssh.service",
};

enum { N_TREE = sizeof(tree) / sizeof(tree[0]) };

struct place {
	char root[32];
	bool found[N_TREE];
	size_t n;
};

static void path_of(const struct place *place, size_t i, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s%s", place->root, tree[i]);
}

static int place_setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	char path[256];

	if (!place)
		return -1;
	strcpy(place->root, "/tmp/ebph-cgroups.XXXXXX");
	if (!mkdtemp(place->root))
		return -1;
	for (size_t i = 0; i < N_TREE; i++) {
		path_of(place, i, path, sizeof(path));
		if (mkdir(path, 0700))
			return -1;
	}
	*state = place;
	return 0;
}

static int place_teardown(void **state)
{
	struct place *place = *state;
	char path[256];

	for (size_t i = N_TREE; i-- > 0;) {
		path_of(place, i, path, sizeof(path));
		rmdir(path);
	}
	rmdir(place->root);
	free(place);
	return 0;
}

/* It is told a number: that of a directory. */
static void take(void *context, uint64_t id)
{
	struct place *place = context;
	char path[256];
	struct stat st;

	place->n++;
	for (size_t i = 0; i < N_TREE; i++) {
		path_of(place, i, path, sizeof(path));
		if (!stat(path, &st) && st.st_ino == id)
			place->found[i] = true;
	}
}

/* Are those found, and no others? */
static void check(struct place *place, const char *word, const char *const *expected)
{
	char text[256];
	size_t n;

	memset(place->found, 0, sizeof(place->found));
	place->n = 0;
	snprintf(text, sizeof(text), "[allow]\ncgroups = %s\n", word);
	CONF_CLEANUP struct conf *conf = taken(text, "");

	n = conf_cgroup_find(place->root, conf->allow.cgroups.words, take, place);
	assert_int_equal(n, place->n);
	for (size_t i = 0; i < N_TREE; i++) {
		bool wanted = false;

		for (const char *const *e = expected; *e; e++)
			wanted = wanted || !strcmp(*e, tree[i]);
		if (place->found[i] != wanted)
			fail_msg("%s: %s %s", word, tree[i], wanted ? "not found" : "found");
	}
}

#define CHECK(word, ...) check(*state, word, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void units_of_the_host_are_found_and_no_others(void **state)
{
	CHECK("ssh.service", "/system.slice/ssh.service");
	CHECK("system.slice", "/system.slice");
	CHECK("system-getty.slice", "/system.slice/system-getty.slice");
	CHECK("getty@*.service", "/system.slice/system-getty.slice/getty@tty1.service",
	      "/system.slice/system-getty.slice/getty@tty2.service");
	CHECK("a\\x2db.service", "/system.slice/a\\x2db.service");
	CHECK("session-1.scope", "/user.slice/user-0.slice/session-1.scope");
	CHECK("user@0.service", "/user.slice/user-0.slice/user@0.service");
	CHECK("app.slice");
	CHECK("nginx.service");
}

static void paths_are_found(void **state)
{
	CHECK("/system.slice", "/system.slice");
	CHECK("/system.slice/a\\x2db.service", "/system.slice/a\\x2db.service");
	CHECK("/user.slice/*", "/user.slice/user-0.slice");
	CHECK("/*.service");
	CHECK("/no-slice/*", "/no-slice/ssh.service");
	CHECK("/user.slice/user-0.slice/user@0.service/app.slice/ssh.service",
	      "/user.slice/user-0.slice/user@0.service/app.slice/ssh.service");
	CHECK("/system.slice2");
}

static void no_tree_no_groups(void **state)
{
	struct place nowhere = {.root = "/no/such"};

	(void)state;
	check(&nowhere, "ssh.service", (const char *const[]){NULL});
	check(&nowhere, "/system.slice", (const char *const[]){NULL});
	check(&nowhere, "/*", (const char *const[]){NULL});
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(units_of_the_host_are_found_and_no_others,
						place_setup, place_teardown),
		cmocka_unit_test_setup_teardown(paths_are_found, place_setup, place_teardown),
		cmocka_unit_test(no_tree_no_groups),
	};

	return cmocka_run_group_tests_name("conf_cgroup", tests, NULL, NULL);
}
