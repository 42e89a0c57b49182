// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bpf/rig.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "enforcer/rung.h"
#include "enforcer/util.h"
#include "tests/harness/tap.h"
#include "ebph.skel.h"

static int event_take(void *context, void *record, size_t size)
{
	const struct ebph_event *event = record;
	struct rig *rig = context;

	REQUIRE(size >= sizeof(*event), "a record of %zu bytes", size);
	if (event->type == EBPH_EVENT_GROW) {
		const struct ebph_event_grow *grow = record;
		int r = 0;

		if (rig->profiles->notes[event->slot].blocks <= grow->blocks)
			r = profile_grow(rig->profiles, event->slot, 0);
		if (!r)
			r = profile_late_merge(rig->profiles, event->slot);
		CHECK(!r, "cannot grow a pair set: %s", strerror(-r));
	} else if (rig->on_event) {
		rig->on_event(rig->context, event);
	}
	return 0;
}

static void stock(struct rig *rig)
{
	bool more = true;
	int r = 0;

	while (more && !r)
		r = profiles_stock(rig->profiles, &more);
	REQUIRE(!r, "cannot stock slots: %s", strerror(-r));
}

static void rig_make(struct rig *rig, uint32_t n_slots)
{
	int r;

	REQUIRE(!conf_new_default(&rig->conf), "no memory");
	rig->conf->store.max_profiles = n_slots;
	rig->conf->detection.heat_half_life_ns = 0;
	r = kernel_new(rig->conf, &rig->support, &rig->kernel);
	REQUIRE(!r, "the kernel refuses the programs: %s", strerror(-r));
	kernel_settings(rig->kernel)->reports_per_s = UINT32_MAX;
	r = profiles_new(rig->kernel, &rig->profiles);
	REQUIRE(!r, "%s", strerror(-r));
	rig->events = ring_buffer__new(kernel_events_fd(rig->kernel), event_take, rig, NULL);
	REQUIRE(rig->events, "%s", strerror(errno));
	stock(rig);
}

/* For programs that are fed with calls: nothing that answers. */
static const struct support least = {.rung = ABORT_NONE, .defers = HOOK_NONE, .hooks = HOOK_NONE};

void rig_new(struct rig *rig, uint32_t n_slots)
{
	*rig = (struct rig){.support = least};
	rig_make(rig, n_slots);
}

void rig_new_deferring(struct rig *rig)
{
	*rig = (struct rig){.support = least};
	rig->support.defers = hook_rung_find(ABORT_OVERRIDE);
	rig_make(rig, 16);
}

void rig_new_whole(struct rig *rig, uint32_t n_slots)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);

	*rig = (struct rig){};
	support_find(ABORT_NONE, false, false, &rig->support); /* of what fails it would tell */
	libbpf_set_print(print);
	rig_make(rig, n_slots);
}

void rig_free(struct rig *rig)
{
	ring_buffer__free(rig->events);
	profiles_free(rig->profiles);
	kernel_free(rig->kernel);
	conf_free(rig->conf);
}

static struct bpf_link *attach(struct bpf_program *program)
{
	struct bpf_link *link = bpf_program__attach(program);

	REQUIRE(link, "cannot attach %s: %s", bpf_program__name(program), strerror(errno));
	return link;
}

void rig_attach_life(struct rig *rig)
{
	struct ebph_bpf *skeleton = rig->kernel->skeleton;

	skeleton->links.ebph_fork = attach(skeleton->progs.ebph_fork);
	skeleton->links.ebph_exec = attach(skeleton->progs.ebph_exec);
	skeleton->links.ebph_exit = attach(skeleton->progs.ebph_exit);
	skeleton->links.ebph_signal = attach(skeleton->progs.ebph_signal);
	if (!skeleton->rodata->preemptible)
		return;
	skeleton->links.ebph_fork2 = attach(skeleton->progs.ebph_fork2);
	skeleton->links.ebph_exec2 = attach(skeleton->progs.ebph_exec2);
	skeleton->links.ebph_exit2 = attach(skeleton->progs.ebph_exit2);
	skeleton->links.ebph_signal2 = attach(skeleton->progs.ebph_signal2);
}

void rig_attach_guards(struct rig *rig)
{
	struct bpf_program *program;

	/* Their links go with the object. */
	bpf_object__for_each_program(program, rig->kernel->skeleton->obj)
		if (!strncmp(bpf_program__name(program), "ebph_g_", 7))
			REQUIRE(bpf_program__attach(program), "%s: %s", bpf_program__name(program),
				strerror(errno));
}

void rig_attach_all(struct rig *rig)
{
	int r = kernel_attach(rig->kernel);

	REQUIRE(!r, "cannot attach: %s", strerror(-r));
}

int rig_hot_path_fd(const struct rig *rig)
{
	return bpf_program__fd(rig->kernel->skeleton->progs.ebph_sys_enter);
}

struct thread_maps rig_thread_maps(const struct rig *rig)
{
	const struct ebph_bpf *skeleton = rig->kernel->skeleton;

	return (struct thread_maps){
		.tasks_fd = bpf_map__fd(skeleton->maps.tasks),
		.seats_fd = bpf_map__fd(skeleton->maps.seats),
		.n_pairs = bpf_map__max_entries(skeleton->maps.seats),
	};
}

void rig_gone_record(const struct rig *rig, uint32_t n)
{
	const struct ebph_delay delay = {.due_ns = EBPH_DUE_NOW};

	for (uint32_t i = 0; i < n; i++) {
		uint32_t tgid = 1u << 30 | i; /* nobody's */

		REQUIRE(!bpf_map_update_elem(kernel_delayed_fd(rig->kernel), &tgid, &delay,
					     BPF_ANY),
			"%s", strerror(errno));
	}
}

int rig_heads_fd(const struct rig *rig)
{
	return bpf_map__fd(rig->kernel->skeleton->maps.heads);
}

int rig_call(int hot_path_fd, uint64_t nr)
{
	/* As the tracepoint's arguments: the registers, which the program does not read, and nr. */
	const uint64_t arguments[2] = {0, nr};
	union bpf_attr attr = {
		.test.prog_fd = (uint32_t)hot_path_fd,
		.test.ctx_in = (uint64_t)(uintptr_t)arguments,
		.test.ctx_size_in = sizeof(arguments),
	};

	return syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) ? -errno : 0;
}

#define IA32_BPF 357 /* arch/x86/entry/syscalls/syscall_32.tbl */

int rig_call_ia32(int hot_path_fd, uint32_t nr)
{
	/* A 32-bit call takes 32-bit addresses; each thread has one page for them. */
	static __thread struct {
		union bpf_attr attr;
		uint64_t arguments[2];
	} * low;
	long result;

	if (!low) {
		low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		if (low == MAP_FAILED) {
			low = NULL;
			return -errno;
		}
	}
	memset(low, 0, sizeof(*low));
	low->arguments[1] = nr;
	low->attr.test.prog_fd = (uint32_t)hot_path_fd;
	low->attr.test.ctx_in = (uint64_t)(uintptr_t)low->arguments;
	low->attr.test.ctx_size_in = sizeof(low->arguments);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(IA32_BPF), "b"(BPF_PROG_TEST_RUN), "c"(&low->attr),
			   "d"(sizeof(low->attr))
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

int rig_task(const struct rig *rig, pid_t tid, struct task_state *ret)
{
	const struct thread_maps maps = rig_thread_maps(rig);

	return thread_state(&maps, tid, ret);
}

void rig_poll(struct rig *rig)
{
	ring_buffer__consume(rig->events);
	stock(rig);
}

uint32_t rig_slot(const struct rig *rig, const char *path)
{
	struct stat st;

	REQUIRE(!stat(path, &st), "%s: %s", path, strerror(errno));
	for (uint32_t slot = 1; slot < rig->profiles->next_slot; slot++) {
		const struct ebph_profile *head = &rig->kernel->heads[slot];

		if (head->state != EBPH_STATE_NONE && head->exe.ino == st.st_ino &&
		    head->exe.mtime_ns / (int64_t)NSEC_PER_SEC == st.st_mtim.tv_sec)
			return slot;
	}
	return 0;
}

void rig_normal(struct rig *rig, uint64_t first, uint64_t n)
{
	int r;

	for (uint64_t i = 0; i < 4 * n; i++)
		rig_call(rig_hot_path_fd(rig), first + i % n);
	rig_poll(rig);
	r = profile_command(rig->profiles, rig_slot(rig, "/proc/self/exe"), EBPH_VERB_NORMALIZE);
	REQUIRE(!r, "%s", strerror(-r));
}
