// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: matrix N
 * The pairs of N programs as ebpH keeps them (its bpf_program.c of 2020): two hash maps, without
 * preallocation, each with one byte for every two of 450 calls as the value; one holds what is
 * trained, the other what is tested. Says what the kernel says of them, and stays until its input
 * ends.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enforcer/kernel.h"

#define CALLS	     450
#define MAX_PROFILES 10240
#define TRIES	     1000 /* the kernel's stock of memory for maps is filled up meanwhile */

static int matrix_add(int map, __u64 key, const void *value)
{
	for (int i = 0; i < TRIES; i++) {
		if (!bpf_map_update_elem(map, &key, value, BPF_NOEXIST))
			return 0;
		if (errno != ENOMEM)
			break;
		usleep(1000);
	}
	return -errno;
}

int main(int argc, char **argv)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	static unsigned char value[CALLS * CALLS];
	unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long long bytes = 0;

	if (!n || n > MAX_PROFILES) {
		fputs("usage: matrix N\n", stderr);
		return 2;
	}
	memset(value, 0xff, sizeof(value));
	for (int i = 0; i < 2; i++) {
		int r = 0, map = bpf_map_create(BPF_MAP_TYPE_HASH, "matrix", sizeof(__u64),
						sizeof(value), MAX_PROFILES, &opts);

		for (__u64 key = 0; map >= 0 && key < n && !r; key++)
			r = matrix_add(map, key, value);
		if (map < 0 || r) {
			fprintf(stderr, "matrix: %s\n", strerror(r ? -r : errno));
			return 1;
		}
		bytes += map_memory(map);
	}
	printf("%llu\n", bytes);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
