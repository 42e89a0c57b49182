// SPDX-License-Identifier: GPL-2.0-or-later
/* ebpH's design, reconstructed, as a variant: reconstruction.bpf.c. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"
#include "bench_reconstruction.skel.h"

#define TRIES 1000 /* the kernel's stock of memory for maps is filled up meanwhile */

static struct bench_reconstruction *skeleton;
static uint64_t calls_before;

static uint64_t calls_counted(void)
{
	const uint8_t key = 0;
	uint64_t calls = 0;

	bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.stats), &key, &calls);
	return calls;
}

/* It knows us from now on, and whom we start. */
static void self_follow(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	for (int i = 0; i < TRIES && !run.retval; i++) {
		int r = bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.again_follow), &run);

		REQUIRE(!r, "%s", strerror(-r));
		if (!run.retval)
			usleep(1000);
	}
	REQUIRE(run.retval, "the reconstruction has no room for this program");
}

static void reconstruction_attach(void *context)
{
	int r = bench_reconstruction__attach(skeleton);

	(void)context;
	REQUIRE(!r, "cannot attach the reconstruction: %s", strerror(-r));
	self_follow();
	calls_before = calls_counted();
}

static void reconstruction_detach(void *context)
{
	(void)context;
	CHECK(calls_counted() > calls_before, "the reconstruction has seen no call");
	bench_reconstruction__detach(skeleton);
}

void reconstruction_variant(struct variant *ret)
{
	const uint32_t zero = 0, on = 1;
	const uint8_t calls_key = 0;
	const uint64_t none = 0;

	skeleton = bench_reconstruction__open_and_load();
	REQUIRE(skeleton, "the kernel refuses the reconstruction: %s", strerror(errno));
	REQUIRE(!bpf_map_update_elem(bpf_map__fd(skeleton->maps.is_monitoring), &zero, &on, 0) &&
			!bpf_map_update_elem(bpf_map__fd(skeleton->maps.stats), &calls_key, &none,
					     0),
		"%s", strerror(errno));
	*ret = (struct variant){"ebpH's design, reconstructed", reconstruction_attach,
				reconstruction_detach, NULL};
}

static void profiles_clear(int map)
{
	uint64_t key;

	while (!bpf_map_get_next_key(map, NULL, &key))
		bpf_map_delete_elem(map, &key);
}

double reconstruction_memory(size_t n)
{
	int map = bpf_map__fd(skeleton->maps.profiles);
	void *value = calloc(1, bpf_map__value_size(skeleton->maps.profiles));
	double bytes;

	REQUIRE(value, "no memory");
	profiles_clear(map);
	for (uint64_t key = 1; key <= n; key++) {
		int r = -1;

		for (int i = 0; i < TRIES && r && (!i || errno == ENOMEM); i++) {
			if (i)
				usleep(1000);
			r = bpf_map_update_elem(map, &key, value, BPF_ANY);
		}
		REQUIRE(!r, "profile %llu: %s", (unsigned long long)key, strerror(errno));
	}
	bytes = (double)map_memory(map);
	profiles_clear(map);
	free(value);
	return bytes;
}
