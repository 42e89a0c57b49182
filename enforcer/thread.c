// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel's side knows of threads, read for those who ask. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "enforcer/kernel.h"
#include "enforcer/util.h"
#include "ebph.skel.h"

#define THREADS_AT_ONCE 1024

/* Begins a walk. Return: its descriptor; -errno. */
static int walk_open(struct kernel *kernel)
{
	struct bpf_link *link = bpf_program__attach(kernel->skeleton->progs.ebph_threads);
	int fd;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link); /* the walk holds the program itself */
	return fd;
}

static int walk_read(int fd, struct ebph_thread **threads, size_t *n_threads)
{
	for (size_t n = 0;;) {
		struct ebph_thread *more =
			reallocarray(*threads, n + THREADS_AT_ONCE, sizeof(*more));
		ssize_t bytes;

		if (!more)
			return -ENOMEM;
		*threads = more;
		bytes = read(fd, more + n, THREADS_AT_ONCE * sizeof(*more));
		if (bytes < 0 && errno == EAGAIN)
			continue; /* very many threads without a profile: it goes on from there */
		if (bytes < 0)
			return -errno;
		n += (size_t)bytes / sizeof(*more);
		*n_threads = n;
		if (!bytes)
			return 0;
	}
}

int kernel_threads(struct kernel *kernel, uint32_t pardon, struct ebph_thread **ret, size_t *ret_n)
{
	AUTO_FREE struct ebph_thread *threads = NULL;
	AUTO_CLOSE int fd = walk_open(kernel);
	size_t n = 0;
	int r;

	if (fd < 0)
		return fd;
	kernel->skeleton->bss->ebph_pardon = pardon;
	r = walk_read(fd, &threads, &n);
	kernel->skeleton->bss->ebph_pardon = EBPH_PARDON_NOBODY;
	if (r)
		return r;
	*ret = TAKE_PTR(threads);
	*ret_n = n;
	return 0;
}

uint32_t kernel_heat(struct kernel *kernel, uint32_t slot, uint32_t uid)
{
	struct ebph_heat_key key = {.slot = slot, .uid = uid};
	uint64_t half_life_ns = kernel_settings(kernel)->heat_half_life_ns;
	uint64_t heat;

	if (!half_life_ns ||
	    bpf_map_lookup_elem(bpf_map__fd(kernel->skeleton->maps.heats), &key, &heat))
		return 0;
	return ebph_heat_count(ebph_heat_decay(heat, now_ns(CLOCK_BOOTTIME), half_life_ns));
}

uint64_t kernel_delayed_until(struct kernel *kernel, uint32_t pid, uint64_t start_ns)
{
	struct ebph_delay delay;

	if (bpf_map_lookup_elem(kernel_delayed_fd(kernel), &pid, &delay) ||
	    delay.start_ns != start_ns)
		return 0;
	return delay.due_ns;
}
