// SPDX-License-Identifier: GPL-2.0-or-later
/* The variants: the empty program, ebph, another build of ebph. */
#include <bpf/libbpf.h>
#include <string.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"
#include "bench_empty.skel.h"
#include "ebph.skel.h"

void bench_rig_new(struct rig *rig, uint32_t n_slots)
{
	struct ebph_settings *settings;
	struct conf *defaults;

	rig_new_whole(rig, n_slots);
	REQUIRE(!conf_new_default(&defaults), "no memory");
	settings = kernel_settings(rig->kernel);
	settings->heat_half_life_ns = defaults->detection.heat_half_life_ns;
	settings->reports_per_s = EBPH_REPORTS_PER_SECOND;
	settings->auto_tolerize = 0; /* a case of ours is wrong on purpose */
	conf_free(defaults);
}

void bench_settle(struct rig *rig)
{
	rig_poll(rig);
	for (uint32_t slot = 1; slot < rig->profiles->next_slot; slot++) {
		struct ebph_profile *head = &rig->kernel->heads[slot];

		if (head->state != EBPH_STATE_NONE)
			__atomic_fetch_or(&head->flags, EBPH_PROFILE_NAMED, __ATOMIC_RELAXED);
	}
}

void bench_rig_attach(void *context)
{
	struct rig *rig = context;

	rig_attach_all(rig);
	bench_settle(rig);
}

void bench_rig_detach(void *context)
{
	struct rig *rig = context;

	kernel_detach(rig->kernel);
	rig_poll(rig);
}

/* ---- one program alone ------------------------------------------------------------------ */

struct single {
	struct bpf_program *program;
	struct bpf_link *link;
	struct rig *rig; /* whose maps it works on; NULL: it has its own */
};

static void single_attach(void *context)
{
	struct single *single = context;

	single->link = bpf_program__attach(single->program);
	REQUIRE(single->link, "cannot attach: %s", strerror(errno));
}

static void single_detach(void *context)
{
	struct single *single = context;

	bpf_link__destroy(single->link);
	single->link = NULL;
}

/* ---- the empty program ------------------------------------------------------------------ */

void empty_variants(struct variant *ret_empty, struct variant *ret_storage)
{
	struct bench_empty *skeleton = bench_empty__open_and_load();
	static struct single empty, storage;

	REQUIRE(skeleton, "the kernel refuses the empty program: %s", strerror(errno));
	empty.program = skeleton->progs.empty_sys_enter;
	storage.program = skeleton->progs.storage_enter;
	*ret_empty = (struct variant){"empty", single_attach, single_detach, &empty};
	*ret_storage = (struct variant){"storage", single_attach, single_detach, &storage};
}

/* ---- another build ---------------------------------------------------------------------- */

static void beside_detach(void *context)
{
	struct single *beside = context;

	single_detach(beside);
	rig_poll(beside->rig);
}

/* What .bss and .rodata hold is not the hot path's. */
static bool is_shared(const char *map)
{
	static const char *const names[] = {"profiles", "heads",  "pairs", "free_slots", "late",
					    "delayed",	"events", "stops", "counters",	 ".data"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], map))
			return true;
	return false;
}

void beside_variant(const char *path, struct rig *rig, struct variant *ret)
{
	struct bpf_object *ours = rig->kernel->skeleton->obj, *theirs;
	struct single *beside = calloc(1, sizeof(*beside));
	struct bpf_program *program;
	struct bpf_map *map;

	theirs = bpf_object__open_file(path, NULL);
	REQUIRE(beside && theirs, "cannot open %s: %s", path, strerror(errno));
	bpf_object__for_each_map(map, theirs) {
		const char *name = bpf_map__name(map);
		const char *section = strrchr(name, '.') ? strrchr(name, '.') : name;
		struct bpf_map *same;

		if (!is_shared(section))
			continue;
		bpf_object__for_each_map(same, ours) {
			const char *own = bpf_map__name(same);

			if (!strcmp(strrchr(own, '.') ? strrchr(own, '.') : own, section))
				REQUIRE(!bpf_map__reuse_fd(map, bpf_map__fd(same)), "%s: %s", name,
					strerror(errno));
		}
	}
	bpf_object__for_each_program(program, theirs) {
		bpf_program__set_autoload(program,
					  !strcmp(bpf_program__name(program), "ebph_sys_enter"));
	}
	REQUIRE(!bpf_object__load(theirs), "the kernel refuses %s: %s", path, strerror(errno));
	beside->rig = rig;
	beside->program = bpf_object__find_program_by_name(theirs, "ebph_sys_enter");
	*ret = (struct variant){"beside", single_attach, beside_detach, beside};
}

bool is_ours(const struct variant *variant)
{
	return variant->detach == bench_rig_detach || variant->detach == beside_detach;
}
