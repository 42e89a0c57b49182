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

static void names_are_told_alike(void **state)
{
	static const struct {
		const char *word, *cgroup;
		bool has;
	} cases[] = {
		{"ssh.service", "/system.slice/ssh.service", true},
		{"ssh.service", "/system.slice/ssh.service/below", true},
		{"ssh.service", "/system.slice/xssh.service", false},
		{"ssh.service", "/system.slice/docker-1.scope/ssh.service", false},
		{"ssh.service", "/no-slice/ssh.service", false},
		{"docker-*.scope", "/system.slice/docker-1.scope/ssh.service", true},
		{"system.slice", "/system.slice/ssh.service", true},
		{"a\\x2db.service", "/system.slice/a\\x2db.service", true},
		{"/system.slice", "/system.slice/ssh.service", true},
		{"/system.slice", "/system.slice", true},
		{"/system.slice", "/system.slice2", false},
		{"/user.slice/*", "/user.slice/user-0.slice/session-1.scope", true},
		{"/user.slice/*", "/user.slice", false},
		{"/*.service", "/system.slice/ssh.service", false},
		{"ssh.service", "/", false},
		{"ssh.service", "", false},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "[allow]\ncgroups = %s\n", cases[i].word);
		CONF_CLEANUP struct conf *conf = taken(text, "");

		if (conf_list_has_cgroup(&conf->allow.cgroups, cases[i].cgroup) != cases[i].has)
			fail_msg("%s and %s", cases[i].word, cases[i].cgroup);
	}
}

static uint32_t tolerance_in(const struct conf *conf, const char *path, const char *cgroup)
{
	struct conf_effective effective;

	conf_for_container(conf, path, cgroup, &effective);
	return effective.listed ? effective.settings.tolerance : UINT32_MAX;
}

/* Each section says itself in which containers its path counts. */
static void sections_are_for_containers(void **state)
{
	CONF_CLEANUP struct conf *conf = taken("[binary /bin/a]\ntolerance = 1\n"
					       "containers = box.service /c\n"
					       "[binary /bin/b]\ntolerance = 2\n"
					       "[binary /bin/*]\ntolerance = 3\n"
					       "containers = /d\n",
					       "");

	(void)state;
	assert_int_equal(tolerance_in(conf, "/bin/a", "/system.slice/box.service"), 1);
	assert_int_equal(tolerance_in(conf, "/bin/a", "/c/below"), 1);
	assert_int_equal(tolerance_in(conf, "/bin/a", "/d"), 3);
	assert_int_equal(tolerance_in(conf, "/bin/b", "/d"), 3);
	assert_int_equal(tolerance_in(conf, "/bin/b", "/c"), UINT32_MAX);
	assert_int_equal(tolerance_in(conf, "/bin/a", "/other"), UINT32_MAX);
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
		cmocka_unit_test(names_are_told_alike),
		cmocka_unit_test(sections_are_for_containers),
		cmocka_unit_test(no_tree_no_groups),
	};

	return cmocka_run_group_tests_name("conf_cgroup", tests, NULL, NULL);
}
