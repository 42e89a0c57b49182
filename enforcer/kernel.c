// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/kernel.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "enforcer/lockdown.h"
#include "enforcer/log.h"
#include "enforcer/ontime.h"
#include "enforcer/process.h"
#include "enforcer/program.h"
#include "enforcer/rule.h"
#include "enforcer/util.h"
#include "ebph.skel.h"
#include "ontime.skel.h"

/* ---- requirements ---------------------------------------------------------------------- */

static bool has_capability(cap_value_t capability)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (caps && cap_get_flag(caps, capability, CAP_EFFECTIVE, &value))
		value = CAP_CLEAR;
	cap_free(caps);
	return value == CAP_SET;
}

/* Return: is a namespace of ours @host, or does the kernel not know such ones? */
static bool in_namespace(const char *path, const char *host)
{
	char name[64];
	ssize_t n = readlink(path, name, sizeof(name) - 1);

	if (n < 0)
		return errno == ENOENT;
	name[n] = '\0';
	return !strcmp(name, host);
}

/*
 * Pids that BPF reports are the host's: from another namespace we would signal strangers; and from
 * another time namespace we would take everybody for a stranger.
 */
static bool in_host_namespaces(void)
{
	/* PROC_PID_INIT_INO and PROC_TIME_INIT_INO, include/linux/proc_ns.h */
	return !access("/proc/self/ns/pid", F_OK) &&
	       in_namespace("/proc/self/ns/pid", "pid:[4026531836]") &&
	       in_namespace("/proc/self/ns/time", "time:[4026531834]");
}

unsigned int kernel_version(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname uts;

	uname(&uts);
	sscanf(uts.release, "%u.%u", &major, &minor);
	return KERNEL(major, minor);
}

bool programs_preemptible(void)
{
	return kernel_version() >= KERNEL(7, 0);
}

int kernel_check(const char **ret_reason)
{
	if (kernel_version() < KERNEL(6, 1)) {
		*ret_reason = "this kernel is too old: ebph needs Linux 6.1 or later";
		return -ENOSYS;
	}
	/* Not CAP_BPF alone: to reach a pair set by its id takes CAP_SYS_ADMIN. */
	if (!has_capability(CAP_SYS_ADMIN)) {
		*ret_reason = "no permission to load BPF programs: run ebphd as root";
		return -EPERM;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		*ret_reason = "this kernel has no BTF (/sys/kernel/btf/vmlinux): boot one built "
			      "with CONFIG_DEBUG_INFO_BTF=y, and mount /sys";
		return -ENOTSUP;
	}
	if (!in_host_namespaces()) {
		*ret_reason =
			"ebphd is in a container's pid or time namespace, or /proc is not mounted: "
			"run it on the host itself";
		return -ENOTSUP;
	}
	return 0;
}

/* ---- life ------------------------------------------------------------------------------ */

/* A pair of seats for each thread that there is now, of the kernel's too, which need none. */
static int seats_resize(struct ebph_bpf *skeleton)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/loadavg", "re");
	uint32_t bits = EBPH_SEAT_PAIRS_MIN_BITS;
	unsigned int threads;

	if (!file || fscanf(file, "%*s %*s %*s %*u/%u", &threads) != 1)
		threads = 0;
	while (bits < EBPH_SEAT_PAIRS_MAX_BITS && 1u << bits < threads)
		bits++;
	skeleton->rodata->seats_shift = 32 - bits;
	return bpf_map__set_max_entries(skeleton->maps.seats, 1u << bits);
}

static int maps_resize(struct ebph_bpf *skeleton, uint32_t n_slots)
{
	uint32_t n_cpus = (uint32_t)libbpf_num_possible_cpus();
	int r;

	/*
	 * An LRU map begins to evict before it is full: each CPU keeps up to 128 empty entries
	 * for itself (LOCAL_FREE_TARGET, kernel/bpf/bpf_lru_list.c).
	 */
	r = bpf_map__set_max_entries(skeleton->maps.profiles, 2 * n_slots + 128 * n_cpus);
	if (!r)
		r = bpf_map__set_max_entries(skeleton->maps.heads, n_slots + 1);
	if (!r)
		r = bpf_map__set_max_entries(skeleton->maps.pairs, n_slots);
	if (!r)
		r = bpf_map__set_max_entries(skeleton->maps.free_slots, n_slots);
	return r ? r : seats_resize(skeleton);
}

static int heads_map(struct kernel *kernel)
{
	void *heads;

	kernel->heads_bytes = sizeof(struct ebph_profile) * (kernel->n_slots + 1);
	heads = mmap(NULL, kernel->heads_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		     bpf_map__fd(kernel->skeleton->maps.heads), 0);
	if (heads == MAP_FAILED)
		return -errno;
	kernel->heads = heads;
	return 0;
}

int kernel_new(const struct conf *conf, const struct support *support, struct kernel **ret)
{
	struct kernel *kernel;
	int r;

	kernel = calloc(1, sizeof(*kernel));
	if (!kernel)
		return -ENOMEM;
	kernel->n_slots = conf->store.max_profiles;
	kernel->rung = support->rung;
	kernel->defers = support->defers;
	kernel->hooks = support->hooks;
	r = lockdown_register();
	if (!r) {
		kernel->skeleton = ebph_bpf__open();
		r = kernel->skeleton ? 0 : -errno;
	}
	if (!r)
		r = lockdown_prepare(kernel->skeleton->progs.ebph_exec);
	if (!r)
		r = lockdown_prepare(kernel->skeleton->progs.ebph_exec2);
	if (!r)
		r = maps_resize(kernel->skeleton, kernel->n_slots);
	if (!r)
		r = programs_select(kernel, support);
	if (!r)
		r = ebph_bpf__load(kernel->skeleton);
	if (!r)
		r = heads_map(kernel);
	if (!r)
		r = programs_attach_first(kernel);
	if (r) {
		kernel_free(kernel);
		return r;
	}
	kernel->ontime = ontime_new(bpf_map__fd(kernel->skeleton->maps.delayed));
	kernel_settings(kernel)->heartbeat_ns = now_ns(CLOCK_MONOTONIC);
	kernel_settings(kernel)->reports_per_s = EBPH_REPORTS_PER_SECOND;
	kernel_configure(kernel, conf);
	*ret = kernel;
	return 0;
}

void kernel_free(struct kernel *kernel)
{
	if (!kernel)
		return;
	if (kernel->heads)
		munmap(kernel->heads, kernel->heads_bytes);
	ontime_bpf__destroy(kernel->ontime);
	ebph_bpf__destroy(kernel->skeleton);
	free(kernel);
}

int kernel_attach(struct kernel *kernel)
{
	return programs_attach(kernel);
}

int kernel_arm(struct kernel *kernel)
{
	return programs_arm(kernel);
}

int kernel_ask_targets(struct kernel *kernel)
{
	return programs_ask_targets(kernel);
}

void kernel_detach(struct kernel *kernel)
{
	programs_detach(kernel);
	if (kernel->ontime)
		ontime_bpf__detach(kernel->ontime);
	running_programs_wait();
}

struct ebph_settings *kernel_settings(struct kernel *kernel)
{
	return &kernel->skeleton->data->settings;
}

void kernel_configure(struct kernel *kernel, const struct conf *conf)
{
	struct ebph_settings *settings = kernel_settings(kernel);

	rule_of_settings(&conf->binary, &settings->rule);
	settings->min_calls = conf->detection.min_calls;
	settings->min_runs = conf->detection.min_runs;
	settings->normal_factor = conf->detection.normal_factor;
	settings->normal_factor_den = conf->detection.normal_factor_den;
	settings->heat_half_life_ns = conf->detection.heat_half_life_ns;
	settings->auto_tolerize = conf->detection.auto_tolerize;
	settings->breaker_limit = conf->response.breaker_limit;
	settings->breaker_window_ns = conf->response.breaker_window_ns;
	settings->breaker_pause_ns = conf->response.breaker_pause_ns;
}

const struct ebph_breaker *kernel_breaker(struct kernel *kernel)
{
	return &kernel->skeleton->bss->breaker;
}

void kernel_guards_rest(struct kernel *kernel)
{
	__u64 *until_ns = &kernel->skeleton->bss->guards_until_ns;
	__u64 seen = __atomic_load_n(until_ns, __ATOMIC_RELAXED);

	if (seen && now_ns(CLOCK_MONOTONIC) > seen + NSEC_PER_SEC)
		__atomic_compare_exchange_n(until_ns, &seen, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

/* ---- programs that the daemon runs ------------------------------------------------------ */

static int program_run(struct bpf_program *program, void *ctx, uint32_t ctx_bytes)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = ctx, .ctx_size_in = ctx_bytes);
	int r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (r)
		return r;
	return opts.retval ? -EINVAL : 0;
}

int kernel_introduce(struct kernel *kernel, enum ebph_ours who)
{
	__u32 argument = who;

	return program_run(kernel->skeleton->progs.ebph_introduce, &argument, sizeof(argument));
}

int kernel_merge(struct kernel *kernel, uint32_t slot, const uint64_t *words, size_t n_words)
{
	struct ebph_merge *merge = &kernel->skeleton->bss->merge;

	merge->slot = slot;
	merge->full = 0;
	for (size_t done = 0; done < n_words; done += merge->count) {
		size_t n = n_words - done;
		int r;

		merge->count = n < EBPH_MERGE_WORDS ? (__u32)n : EBPH_MERGE_WORDS;
		memcpy(merge->word, words + done, merge->count * sizeof(*words));
		r = program_run(kernel->skeleton->progs.ebph_merge_words, NULL, 0);
		if (r)
			return r;
	}
	return merge->full ? -ENOSPC : 0;
}

int kernel_block_read(struct kernel *kernel, uint32_t slot, uint32_t block, struct ebph_block *ret)
{
	struct ebph_reading *reading = &kernel->skeleton->bss->reading;
	int r;

	reading->slot = slot;
	reading->block = block;
	r = program_run(kernel->skeleton->progs.ebph_block_read, NULL, 0);
	if (!r)
		memcpy(ret->word, reading->word, sizeof(ret->word));
	return r;
}

int kernel_command(struct kernel *kernel, uint32_t slot, enum ebph_verb verb)
{
	struct ebph_command *command = &kernel->skeleton->bss->command;

	command->slot = slot;
	command->verb = verb;
	return program_run(kernel->skeleton->progs.ebph_command_run, NULL, 0);
}

int kernel_release(struct kernel *kernel, uint32_t tgid, uint64_t start_ns, uint64_t now,
		   struct ebph_delay *ret)
{
	struct ebph_release *release = &kernel->skeleton->bss->release;
	int r;

	release->tgid = tgid;
	release->start_ns = start_ns;
	release->now_ns = now;
	r = program_run(kernel->skeleton->progs.ebph_release_one, NULL, 0);
	if (r)
		return r;
	*ret = (struct ebph_delay){
		.start_ns = start_ns,
		.due_ns = release->due_ns,
		.foreign = release->foreign,
		.released = release->released,
	};
	return 0;
}

int kernel_overdue(struct kernel *kernel, uint64_t before_ns, uint32_t skip,
		   const struct ebph_overdue **ret)
{
	struct ebph_overdue *overdue = &kernel->skeleton->bss->overdue;

	overdue->before_ns = before_ns;
	overdue->skip = skip;
	*ret = overdue;
	return program_run(kernel->skeleton->progs.ebph_overdue_find, NULL, 0);
}

/* ---- accounts -------------------------------------------------------------------------- */

uint64_t kernel_counter(struct kernel *kernel, enum ebph_counter counter)
{
	int n_cpus = libbpf_num_possible_cpus();
	AUTO_FREE uint64_t *values = NULL;
	__u32 key = counter;
	uint64_t sum = 0;

	if (n_cpus <= 0)
		return 0;
	values = calloc((size_t)n_cpus, sizeof(*values));
	if (!values ||
	    bpf_map_lookup_elem(bpf_map__fd(kernel->skeleton->maps.counters), &key, values))
		return 0;
	for (int i = 0; i < n_cpus; i++)
		sum += values[i];
	return sum;
}

const char *kernel_counter_name(enum ebph_counter counter)
{
#define COUNTER_NAME(name, text, help) [EBPH_COUNT_##name] = text,
	static const char *const names[] = {EBPH_COUNTERS(COUNTER_NAME)};

	return names[counter];
}

const char *kernel_counter_help(enum ebph_counter counter)
{
#define COUNTER_HELP(name, text, help) [EBPH_COUNT_##name] = help,
	static const char *const helps[] = {EBPH_COUNTERS(COUNTER_HELP)};

	return helps[counter];
}

uint64_t map_memory(int map_fd)
{
	AUTO_FCLOSE FILE *file = NULL;
	char path[64], line[128];
	uint64_t bytes;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", map_fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %" SCNu64, &bytes) == 1)
			return bytes;
	return 0;
}

uint64_t kernel_memory(struct kernel *kernel)
{
	struct bpf_map *map;
	uint64_t sum = 0;

	bpf_object__for_each_map(map, kernel->skeleton->obj)
		sum += map_memory(bpf_map__fd(map));
	return sum;
}

int kernel_pairs_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.pairs);
}

int kernel_profiles_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.profiles);
}

int kernel_free_slots_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.free_slots);
}

int kernel_late_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.late);
}

int kernel_delayed_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.delayed);
}

int kernel_rules_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.rules);
}

int kernel_allowed_users_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.allowed_users);
}

int kernel_targets_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.targets);
}

int kernel_allowed_cgroups_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.allowed_cgroups);
}

int kernel_stops_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.stops);
}

int kernel_events_fd(const struct kernel *kernel)
{
	return bpf_map__fd(kernel->skeleton->maps.events);
}
