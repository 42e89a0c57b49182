// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/finder.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/profile.h"
#include "enforcer/util.h"

#define AGAIN_MS 1000
#define FIRST_MS 500 /* well below EBPH_HEARTBEAT_LIMIT_NS */

/* ---- what is found -------------------------------------------------------------------------- */

struct found {
	struct ebph_target target;
	dev_t device; /* as stat() has it: it says which one the kernel means, asked once */
};

/* All that was found at a time, in order, each once. */
struct round {
	struct found *found;
	size_t n;
	bool full;
};

static int found_compare(const void *a, const void *b)
{
	const struct found *fa = a, *fb = b;
	int order = memcmp(&fa->target.ino, &fb->target.ino, sizeof(fa->target.ino));

	if (!order)
		order = memcmp(&fa->target.mtime_ns, &fb->target.mtime_ns,
			       sizeof(fa->target.mtime_ns));
	if (!order)
		order = memcmp(&fa->target.generation, &fb->target.generation,
			       sizeof(fa->target.generation));
	if (!order)
		order = memcmp(&fa->target.known, &fb->target.known, sizeof(fa->target.known));
	if (!order)
		order = memcmp(&fa->target.list, &fb->target.list, sizeof(fa->target.list));
	return order ? order : memcmp(&fa->device, &fb->device, sizeof(fa->device));
}

static const struct found *round_find(const struct round *round, const struct found *like)
{
	if (!round->n)
		return NULL;
	return bsearch(like, round->found, round->n, sizeof(*like), found_compare);
}

static void round_sort(struct round *round)
{
	size_t n = 0;

	if (round->n)
		qsort(round->found, round->n, sizeof(round->found[0]), found_compare);
	for (size_t i = 0; i < round->n; i++)
		if (!n || found_compare(&round->found[n - 1], &round->found[i]))
			round->found[n++] = round->found[i];
	round->n = n;
}

/* In the kernel's own encoding: linux/kdev_t.h. */
static __u32 kernel_device(int fd, const struct stat *st)
{
	dev_t device = mount_device(fd, "/proc/self/mountinfo");

	if (!device)
		device = st->st_dev;
	return major(device) << 20 | minor(device);
}

/*
 * Device, inode number and mtime are not enough: subvolumes of btrfs have the same numbers on the
 * same device, and whoever gets the number of a file that has just been deleted can set the mtime.
 */
static void generation_find(int fd, struct ebph_target *target)
{
	AUTO_CLOSE int readable = -1;
	long version = 0; /* an int is put there */
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	readable = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (readable < 0 || ioctl(readable, FS_IOC_GETVERSION, &version))
		return;
	target->generation = (__u32)version;
	target->known = 1;
}

static void file_add(struct round *round, const struct round *before, const char *path,
		     uint32_t list)
{
	AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
	const struct found *known;
	struct found found = {0};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	if (round->n == EBPH_TARGETS_MAX) {
		round->full = true;
		return;
	}
	found.target.ino = st.st_ino;
	found.target.mtime_ns = st.st_mtim.tv_sec * (int64_t)NSEC_PER_SEC + st.st_mtim.tv_nsec;
	generation_find(fd, &found.target);
	found.target.list = list;
	found.device = st.st_dev;
	known = round_find(before, &found);
	found.target.dev = known ? known->target.dev : kernel_device(fd, &st);
	round->found[round->n++] = found;
}

static void word_find(struct round *round, const struct round *before, const struct conf_word *word,
		      uint32_t list)
{
	glob_t paths;

	if (!word->is_glob) {
		file_add(round, before, word->text, list);
		return;
	}
	if (glob(word->text, GLOB_NOSORT | GLOB_PERIOD, NULL, &paths))
		return;
	for (size_t i = 0; i < paths.gl_pathc; i++)
		file_add(round, before, paths.gl_pathv[i], list);
	globfree(&paths);
}

static void list_find(struct round *round, const struct round *before,
		      const struct conf_list *words, uint32_t list)
{
	for (size_t i = 0; i < words->n; i++)
		word_find(round, before, &words->words[i], list);
}

static void all_find(struct round *round, const struct round *before, const struct conf *conf,
		     uint32_t first_list)
{
	const struct conf_list *list = &conf->allow.exec;

	round->n = 0;
	round->full = false;
	list_find(round, before, list, first_list);
	for (size_t i = 0; i < conf->n_binaries; i++) {
		list = &conf->binaries[i]->settings.allow_exec;
		list_find(round, before, list, finder_list(conf, list, first_list));
	}
	round_sort(round);
}

/*
 * What is new first: no file that stays is left out meanwhile.
 * @again: what was there before is to be told, too: there was no room for all of it
 * Return: is there room for all?
 */
static bool tell(const struct round *before, const struct round *now, bool again, int map)
{
	const __u8 yes = 1;
	bool fits = true;

	for (size_t i = 0; i < now->n; i++)
		if ((again || !round_find(before, &now->found[i])) &&
		    bpf_map_update_elem(map, &now->found[i].target, &yes, BPF_ANY))
			fits = false;
	for (size_t i = 0; i < before->n; i++)
		if (!round_find(now, &before->found[i]))
			bpf_map_delete_elem(map, &before->found[i].target);
	return fits;
}

/* ---- the child ------------------------------------------------------------------------------ */

/* What the child says after it has looked: the first time, and when there is news. */
enum news { ALL_FOUND, TOO_MANY };

static void finder_run(const struct finder *finder, const struct conf *conf, int map)
{
	struct pollfd daemon = {.fd = finder->fd, .events = POLLIN};
	struct round rounds[2] = {{.found = calloc(EBPH_TARGETS_MAX, sizeof(struct found))},
				  {.found = calloc(EBPH_TARGETS_MAX, sizeof(struct found))}};
	char news = ALL_FOUND, told = -1;

	if (!rounds[0].found || !rounds[1].found)
		return;
	for (unsigned int i = 0;; i++) {
		struct round *now = &rounds[i & 1], *before = &rounds[~i & 1];

		all_find(now, before, conf, finder->first_list);
		/* It may have taken so long that another has come. */
		if (poll(&daemon, 1, 0))
			return;
		news = tell(before, now, news == TOO_MANY, map) && !now->full ? ALL_FOUND :
										TOO_MANY;
		if (news != told && write(finder->fd, &news, 1) != 1)
			return;
		told = news;
		if (poll(&daemon, 1, AGAIN_MS))
			return;
	}
}

static void child_run(struct finder *finder, struct kernel *kernel, const struct conf *conf)
{
	int map = kernel_targets_fd(kernel);
	sigset_t all;

	/* Ctrl-C is for the daemon, which ends us. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "ebph-finder");
	kernel_introduce(kernel, EBPH_OURS_FINDER);
	standard_streams_leave();
	descriptors_close_but(finder->fd, map);
	finder_run(finder, conf, map);
	_exit(0);
}

/* ---- the daemon ----------------------------------------------------------------------------- */

bool finder_wanted(const struct conf *conf)
{
	if (conf->allow.exec.n)
		return true;
	for (size_t i = 0; i < conf->n_binaries; i++)
		if (conf->binaries[i]->settings.allow_exec.n)
			return true;
	return false;
}

uint32_t finder_list(const struct conf *conf, const struct conf_list *list, uint32_t first_list)
{
	if (!list->n || !first_list)
		return 0;
	/* Who has borrowed it has its words. */
	for (uint32_t i = 0; i < conf->n_binaries; i++)
		if (conf->binaries[i]->settings.allow_exec.words == list->words)
			return first_list + 1 + i;
	return first_list;
}

/* Takes away what one before it has left that has ended by itself. */
static void lists_clear(int map, uint32_t first, uint32_t n, bool inside)
{
	struct ebph_target target, next;
	bool more = !bpf_map_get_next_key(map, NULL, &next);

	while (more) {
		target = next;
		more = !bpf_map_get_next_key(map, &target, &next);
		if ((target.list >= first && target.list < first + n) == inside)
			bpf_map_delete_elem(map, &target);
	}
}

/* Return: 1: there was news, and it is logged; 0: the child has died; -EAGAIN: there is none. */
static ssize_t news_take(const struct finder *finder)
{
	char news;
	ssize_t n = recv(finder->fd, &news, 1, MSG_DONTWAIT);

	if (n == 1 && news == TOO_MANY)
		log_error("[allow] exec and allow_exec name too many files: %d are possible, not "
			  "all are allowed",
			  EBPH_TARGETS_MAX);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	return n;
}

int finder_new(struct kernel *kernel, const struct conf *conf, uint32_t first_list,
	       struct finder *ret)
{
	struct finder finder = {.first_list = first_list,
				.n_lists = (uint32_t)conf->n_binaries + 1};
	struct pollfd ready = {.events = POLLIN};
	int ends[2];

	lists_clear(kernel_targets_fd(kernel), finder.first_list, finder.n_lists, true);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	finder.fd = ends[1];
	finder.pid = fork();
	if (!finder.pid) {
		close(ends[0]);
		child_run(&finder, kernel, conf);
	}
	close(ends[1]);
	if (finder.pid < 0) {
		int r = -errno;

		close(ends[0]);
		return r;
	}
	finder.fd = ready.fd = ends[0];
	if (poll(&ready, 1, FIRST_MS) == 1)
		news_take(&finder);
	else
		log_warn("to look for what [allow] exec and allow_exec name takes long: does a "
			 "file system not answer? Until that is done, their execves are as any");
	*ret = finder;
	return 0;
}

bool finder_has_died(const struct finder *finder)
{
	ssize_t n = 1;

	while (finder->pid && n == 1)
		n = news_take(finder);
	return !n;
}

void finder_end(struct finder *finder)
{
	if (finder->pid)
		close_fd(&finder->fd);
	*finder = (struct finder){0};
}

void finder_forget(struct kernel *kernel, const struct finder *finder)
{
	lists_clear(kernel_targets_fd(kernel), finder->first_list, finder->n_lists, false);
}
