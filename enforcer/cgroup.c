// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/cgroup.h"

#include <bpf/bpf.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

static void found_add(void *context, uint64_t id)
{
	struct cgroups *found = context;

	if (found->n < EBPH_CGROUPS_MAX)
		found->ids[found->n] = id;
	found->n++;
}

static int id_compare(const void *a, const void *b)
{
	const uint64_t *ia = a, *ib = b;

	return (*ia > *ib) - (*ia < *ib);
}

static bool has_id(const struct cgroups *cgroups, uint64_t id)
{
	return cgroups->n &&
	       bsearch(&id, cgroups->ids, cgroups->n, sizeof(cgroups->ids[0]), id_compare);
}

static void sort(struct cgroups *cgroups)
{
	size_t n = 0;

	if (cgroups->n)
		qsort(cgroups->ids, cgroups->n, sizeof(cgroups->ids[0]), id_compare);
	for (size_t i = 0; i < cgroups->n; i++)
		if (!n || cgroups->ids[n - 1] != cgroups->ids[i])
			cgroups->ids[n++] = cgroups->ids[i];
	cgroups->n = n;
}

/* Which there are now. */
static int look(struct cgroups *ret, const struct conf_list *words)
{
	const char *root = words->n ? conf_cgroup_root() : NULL;

	ret->n = 0;
	ret->ids = malloc(EBPH_CGROUPS_MAX * sizeof(ret->ids[0]));
	if (!ret->ids)
		return -ENOMEM;
	for (size_t i = 0; root && i < words->n; i++)
		conf_cgroup_find(root, &words->words[i], found_add, ret);
	if (ret->n > EBPH_CGROUPS_MAX)
		return -E2BIG;
	sort(ret);
	return 0;
}

/* What is new first: nobody who stays is left out meanwhile. */
static int tell(const struct cgroups *before, const struct cgroups *now, int map)
{
	const __u8 yes = 1;

	for (size_t i = 0; i < now->n; i++)
		if (!has_id(before, now->ids[i]) &&
		    bpf_map_update_elem(map, &now->ids[i], &yes, BPF_ANY))
			return -errno;
	for (size_t i = 0; i < before->n; i++)
		if (!has_id(now, before->ids[i]))
			bpf_map_delete_elem(map, &before->ids[i]);
	return 0;
}

int cgroups_renew(struct cgroups *cgroups, struct kernel *kernel, const struct conf_list *words)
{
	struct cgroups now = {0};
	int r;

	if (!words->n && !cgroups->n)
		return 0;
	r = look(&now, words);
	if (r == -E2BIG && !cgroups->too_many)
		log_error("[allow] cgroups names %zu control groups: that is too many, %d are "
			  "possible; name one above them",
			  now.n, EBPH_CGROUPS_MAX);
	if (!r)
		r = tell(cgroups, &now, kernel_allowed_cgroups_fd(kernel));
	cgroups->too_many = r == -E2BIG;
	if (r) {
		cgroups_free(&now);
		return r;
	}
	cgroups_free(cgroups);
	*cgroups = now;
	kernel_settings(kernel)->check_cgroups = now.n != 0;
	return 0;
}

void cgroups_free(struct cgroups *cgroups)
{
	free(cgroups->ids);
	*cgroups = (struct cgroups){0};
}
