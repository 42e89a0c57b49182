// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/saver.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "enforcer/kernel.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

/* Loads a file, and hands it on in the form that it has on disk. */
static int job_load(struct store *store, struct saver_job *job)
{
	IMAGE_CLEANUP struct image image = {0};
	AUTO_FREE void *data = NULL;
	int r = store_load(store, job->name, &image, job->reason);

	if (r == -EBADMSG)
		store_set_aside(store, job->name);
	if (!r)
		r = image_encode(&image, &data, &job->bytes);
	if (!r)
		memcpy(job->data, data, job->bytes);
	return r;
}

/* Nobody else touches the file between the two halves of this. */
static int job_unite(struct store *store, struct saver_job *job)
{
	IMAGE_CLEANUP struct image image = {0};
	IMAGE_CLEANUP struct image from = {0};
	AUTO_FREE void *data = NULL;
	const char *wrong;
	int r = image_decode(job->data, job->bytes, &from, &wrong);

	if (!r)
		r = store_load(store, job->name, &image, job->reason);
	if (!r)
		r = image_merge(&image, &from);
	if (!r)
		r = image_encode(&image, &data, &job->bytes);
	if (r)
		return r;
	memcpy(job->data, data, job->bytes);
	return store_save_bytes(store, job->name, job->data, job->bytes);
}

static void job_do(struct store *store, struct saver_job *job)
{
	job->reason[0] = '\0';
	switch (job->op) {
	case SAVER_SAVE:
		job->error = store_save_bytes(store, job->name, job->data, job->bytes);
		break;
	case SAVER_LOAD:
		job->error = job_load(store, job);
		break;
	case SAVER_REMOVE:
		job->error = store_remove(store, job->name);
		break;
	case SAVER_UNITE:
		job->error = job_unite(store, job);
		break;
	}
}

/* Until the daemon closes its end, or dies. */
static void saver_run(struct store *store, struct saver_job *job, int fd)
{
	char token;

	while (read(fd, &token, 1) == 1) {
		job_do(store, job);
		if (write(fd, &token, 1) != 1)
			break;
	}
}

static void child_run(struct store *store, struct kernel *kernel, struct saver_job *job, int fd)
{
	sigset_t all;

	/* Ctrl-C is for the daemon: it ends us when everything is saved. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "ebph-saver");
	if (kernel)
		kernel_introduce(kernel, EBPH_OURS_SAVER);
	standard_streams_leave();
	descriptors_close_but(fd, store->dir_fd);
	store_introduce_saver(store);
	if (write(fd, "", 1) != 1)
		_exit(1);
	saver_run(store, job, fd);
	_exit(0);
}

int saver_new(struct store *store, struct kernel *kernel, struct saver *ret)
{
	int ends[2], r = 0;
	struct saver saver = {.store = store, .fd = -1};
	char ready;

	saver.job = mmap(NULL, sizeof(*saver.job), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (saver.job == MAP_FAILED)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		r = -errno;
		munmap(saver.job, sizeof(*saver.job));
		return r;
	}
	saver.pid = fork();
	if (!saver.pid) {
		close(ends[0]);
		child_run(store, kernel, saver.job, ends[1]);
	}
	r = saver.pid < 0 ? -errno : 0;
	close(ends[1]);
	saver.fd = ends[0];
	/* It has made itself known: not one of its calls is to be followed. */
	if (!r && recv(saver.fd, &ready, 1, 0) != 1)
		r = -EPIPE;
	if (r) {
		saver.pid = 0;
		saver_end(&saver);
		return r;
	}
	*ret = saver;
	return 0;
}

void saver_end(struct saver *saver)
{
	if (saver->job)
		munmap(saver->job, sizeof(*saver->job));
	close_fd(&saver->fd);
	saver->job = NULL;
	saver->pid = 0;
	saver->busy = false;
}

int saver_begin(struct saver *saver)
{
	if (saver->busy)
		return -EBUSY;
	if (saver->fd < 0 || send(saver->fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return -EPIPE;
	saver->busy = true;
	saver->since_ns = now_ns(CLOCK_MONOTONIC);
	return 0;
}

int saver_done(struct saver *saver)
{
	char token;
	ssize_t n = saver->fd < 0 ? 0 : recv(saver->fd, &token, 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	saver->busy = false;
	return n == 1 ? 0 : -EPIPE;
}
