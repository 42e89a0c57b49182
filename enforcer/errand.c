// SPDX-License-Identifier: GPL-2.0-or-later
/* What an operator wants of files in the store: in turns with what is loaded and saved anyway. */
#include <errno.h>
#include <stdlib.h>

#include "enforcer/restore.h"

int keep_errand(struct keep *keep, const struct errand *errand)
{
	struct errand *copy, **last = &keep->errands;

	if (!keep->store)
		return -EOPNOTSUPP;
	if (keep->saver.fd < 0)
		return -EPIPE;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *errand;
	copy->next = NULL;
	while (*last)
		last = &(*last)->next;
	*last = copy;
	keep_pump(keep);
	return 0;
}

static void errand_end(struct errand *errand)
{
	if (!errand)
		return;
	errand->end(errand->context);
	free(errand);
}

int errand_begin(struct keep *keep)
{
	struct errand *errand = keep->errands;
	struct saver_job *job = keep->saver.job;
	int r;

	keep->errands = errand->next;
	if (errand->prepare(errand->context, job)) {
		errand_end(errand);
		return -EAGAIN;
	}
	if (job->op != SAVER_LOAD)
		keep_unremove(keep, job->name);
	keep->job.slot = 0;
	keep->job.errand = errand;
	keep->job.was_errand = true;
	r = saver_begin(&keep->saver);
	if (r)
		errand_again(keep);
	return r;
}

void errand_done(struct keep *keep, const struct saver_job *job)
{
	struct errand *errand = keep->job.errand;

	keep->job.errand = NULL;
	errand->done(errand->context, job);
	errand_end(errand);
}

void errand_again(struct keep *keep)
{
	struct errand *errand = keep->job.errand;

	errand->next = keep->errands;
	keep->errands = errand;
	keep->job.errand = NULL;
}

void errands_clear(struct keep *keep)
{
	errand_end(keep->job.errand);
	keep->job.errand = NULL;
	for (struct errand *errand = keep->errands, *next; errand; errand = next) {
		next = errand->next;
		errand_end(errand);
	}
	keep->errands = NULL;
}
