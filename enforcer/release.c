// SPDX-License-Identifier: GPL-2.0-or-later
/* Releasing everyone: by the guardian, by the next start, by `ebphd --release`. */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "enforcer/delay.h"
#include "enforcer/enforcer.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

#define PIN_NAME "delayed"
#define LOST_NS	 NSEC_PER_SEC /* so long overdue, nobody will release it */
#define WALK_MAX 65536	      /* a walk begins anew where a record was deleted under it */

int process_continue(uint32_t pid, uint64_t start_ns, uint32_t foreign)
{
	AUTO_CLOSE int pidfd = process_open(pid, start_ns);

	if (pidfd >= 0)
		return pidfd_continue(pidfd, foreign);
	if (pidfd == -ESRCH)
		return -ESRCH;
	if (foreign == SIGSTOP)
		return 0;
	/* Not known whether it is still the same: one SIGCONT too many is the lesser evil. */
	return kill((pid_t)pid, SIGCONT) ? -errno : 0;
}

/* A walk over the records of those who are due. */
struct walk {
	int map_fd;
	uint64_t due_before_ns; /* CLOCK_MONOTONIC, this moment included */
	__u32 pid;		/* where it is */
	unsigned int steps;	/* how many records it has seen */
};

/* Goes on to the next. Return: false at the end. */
static bool walk_next(struct walk *walk, struct ebph_delay *ret)
{
	while (walk->steps < WALK_MAX &&
	       !bpf_map_get_next_key(walk->map_fd, walk->steps ? &walk->pid : NULL, &walk->pid)) {
		walk->steps++;
		if (!bpf_map_lookup_elem(walk->map_fd, &walk->pid, ret) && ret->due_ns &&
		    ret->due_ns <= walk->due_before_ns)
			return true;
	}
	return false;
}

/* Return: how many processes were continued. */
static unsigned int records_release(int map_fd, uint64_t due_before_ns, bool clear)
{
	struct walk walk = {.map_fd = map_fd, .due_before_ns = due_before_ns};
	struct ebph_delay delay;
	unsigned int released = 0;
	int r;

	while (walk_next(&walk, &delay)) {
		r = process_continue(walk.pid, delay.start_ns, delay.foreign);
		released += !r;
		if (!clear || (r && r != -ESRCH))
			continue;
		delay.due_ns = 0;
		bpf_map_update_elem(map_fd, &walk.pid, &delay, BPF_EXIST);
	}
	return released;
}

unsigned int delayed_release_all(int map_fd)
{
	return records_release(map_fd, UINT64_MAX, true);
}

unsigned int delayed_release_overdue(int map_fd)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	/* Programs may run and change a record: only ebph_release_one could clear it safely. */
	return records_release(map_fd, now - EBPH_HEARTBEAT_LIMIT_NS / 2, false);
}

/*
 * One who is overdue by his record. Return: 1: nobody would have released him, now he is on the
 * list; 0: he is on it already, or nothing could be done; -ESRCH: he is no more, and off the
 * record.
 */
static int overdue_take(struct delays *delays, uint32_t pid, const struct ebph_delay *record)
{
	struct ebph_delay after;
	int r;

	if (delay_has(delays, pid))
		return 0;
	r = delay_add(delays, pid, record);
	if (r == -ESRCH)
		kernel_release(delays->kernel, pid, record->start_ns, record->due_ns, &after);
	if (r)
		return r == -ESRCH ? r : 0;
	log_warn("process %u is stopped, and its time is over: it goes on now", pid);
	return 1;
}

unsigned int delays_sweep(struct delays *delays)
{
	uint64_t before_ns = now_ns(CLOCK_MONOTONIC) - LOST_NS;
	const struct ebph_overdue *overdue;
	unsigned int found = 0, passes = 0;
	uint32_t stay = 0;
	int r;

	do {
		r = kernel_overdue(delays->kernel, before_ns, stay, &overdue);
		if (r) {
			log_warn("cannot look for processes that were forgotten: %s", strerror(-r));
			break;
		}
		for (uint32_t i = 0; i < overdue->count; i++) {
			r = overdue_take(delays, overdue->tgid[i], &overdue->delay[i]);
			found += r > 0;
			stay += r >= 0;
		}
	} while (overdue->count == EBPH_OVERDUE_MAX && ++passes < WALK_MAX / EBPH_OVERDUE_MAX);
	return found;
}

int delayed_lock(const char *dir)
{
	AUTO_CLOSE int fd = -1;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return TAKE_FD(fd);
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

/* The kernel's number of a map; 0 when it has none to tell. */
static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

int delayed_unpin(int map_fd, const char *dir)
{
	AUTO_CLOSE int pinned = -1;
	char path[256];

	if (pin_path(dir, path, sizeof(path)))
		return -ENAMETOOLONG;
	if (map_fd >= 0) {
		pinned = bpf_obj_get(path);
		if (pinned < 0)
			return -errno;
		if (map_id(pinned) != map_id(map_fd))
			return -ENOENT; /* a successor's */
	}
	if (unlink(path))
		return -errno;
	rmdir(dir); /* ours, unless somebody keeps something in it */
	return 0;
}

/* ---- after a daemon that died together with its guardian ----------------------------------- */

int leftovers_release(const struct conf *conf, unsigned int *ret_released)
{
	const char *dir = conf->enforcer.bpf_dir;
	AUTO_CLOSE int lock_fd = -1;
	AUTO_CLOSE int fd = delayed_open_pinned(dir);

	*ret_released = 0;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0) {
		log_error("cannot read %s/delayed: %s (remove it if it is another version's)", dir,
			  strerror(-fd));
		return fd;
	}
	lock_fd = delayed_lock(dir);
	if (lock_fd < 0) {
		log_error(lock_fd == -EBUSY ? "another ebphd enforces, and releases whom it has "
					      "delayed (%s): stop it first" :
					      "cannot lock %s",
			  dir);
		return lock_fd;
	}
	*ret_released = delayed_release_all(fd);
	delayed_unpin(-1, dir);
	return 0;
}

int enforcer_release(const struct conf *conf)
{
	unsigned int released;
	int r = leftovers_release(conf, &released);

	if (!r)
		log_info("released %u delayed processes", released);
	return r;
}
