/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child of the daemon that does what may have to wait for the disk: the daemon itself never does
 * while it is in charge of anybody. One job at a time.
 */
#ifndef EBPH_ENFORCER_SAVER_H
#define EBPH_ENFORCER_SAVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "enforcer/store.h"

struct kernel;

enum saver_op {
	SAVER_SAVE,
	SAVER_LOAD,
	SAVER_REMOVE,
	SAVER_UNITE, /* what is in the file with .data; the union is left in both */
};

/* Shared by daemon and saver; whose turn it is to touch it, the socket tells. */
struct saver_job {
	enum saver_op op;
	char name[STORE_NAME_MAX];
	int error; /* result: 0 or -errno */
	char reason[STORE_REASON_MAX];
	size_t bytes;
	uint8_t data[IMAGE_BYTES_MAX]; /* to be saved, or what was loaded: image_encode() */
};

struct saver {
	struct store *store;
	struct saver_job *job;
	pid_t pid; /* 0: none */
	int fd;	   /* readable when the job is done, or the saver has died */
	bool busy;
	uint64_t since_ns; /* CLOCK_MONOTONIC when the job began */
};

/**
 * saver_new() - starts the child.
 * @store:  stays the caller's
 * @kernel: by which the child makes itself known as one of ours; NULL: it does not
 *
 * Return: 0 or -errno.
 */
int saver_new(struct store *store, struct kernel *kernel, struct saver *ret);

/* Ends the child, which finishes the job that it has. */
void saver_end(struct saver *saver);

/*
 * Begins the job that has been put into .job. Return: 0; -EBUSY while another is under way;
 * -EPIPE when the saver is dead, and saver_new() is due.
 */
int saver_begin(struct saver *saver);

/*
 * Asks whether the job is done, without waiting. Return: 0: it is, with the results in .job;
 * -EAGAIN: not yet; -EPIPE: the saver died meanwhile.
 */
int saver_done(struct saver *saver);

#endif
