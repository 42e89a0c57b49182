// SPDX-License-Identifier: GPL-2.0-or-later
/* Releasing everyone: by the guardian, by the next start, by `ebphd --release`. */
#include <bpf/bpf.h>
#include <string.h>
#include <sys/stat.h>

#include "enforcer/delay.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

#define PIN_NAME "delayed"

int process_continue(uint32_t pid, uint64_t start_ns)
{
	AUTO_CLOSE int pidfd = process_open(pid, start_ns);

	return pidfd < 0 ? pidfd : process_signal(pidfd, SIGCONT);
}

unsigned int delayed_release_all(int map_fd)
{
	struct ebph_delay delay;
	__u32 key, *previous = NULL;
	unsigned int released = 0;

	/* Nothing is deleted while we walk: a walk that loses its place begins anew. */
	for (; !bpf_map_get_next_key(map_fd, previous, &key); previous = &key) {
		if (bpf_map_lookup_elem(map_fd, &key, &delay) || !delay.due_ns)
			continue;
		released += !process_continue(key, delay.start_ns);
		delay.due_ns = 0;
		bpf_map_update_elem(map_fd, &key, &delay, BPF_EXIST);
	}
	return released;
}

static int pin_path(const char *dir, char *ret, size_t size)
{
	return (size_t)snprintf(ret, size, "%s/" PIN_NAME, dir) < size ? 0 : -ENAMETOOLONG;
}

int delayed_pin(int map_fd, const char *dir)
{
	char path[256];

	if (pin_path(dir, path, sizeof(path)))
		return -ENAMETOOLONG;
	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	return bpf_obj_pin(map_fd, path) ? -errno : 0;
}

int delayed_open_pinned(const char *dir)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	char path[256];
	int fd;

	if (pin_path(dir, path, sizeof(path)))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	/* Another version of us may have left it there, with records that we cannot read. */
	if (bpf_obj_get_info_by_fd(fd, &info, &size) || info.key_size != sizeof(__u32) ||
	    info.value_size != sizeof(struct ebph_delay)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int delayed_unpin(const char *dir)
{
	char path[256];

	if (pin_path(dir, path, sizeof(path)))
		return -ENAMETOOLONG;
	if (unlink(path))
		return -errno;
	rmdir(dir); /* ours, unless somebody keeps something in it */
	return 0;
}
