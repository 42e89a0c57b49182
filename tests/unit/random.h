/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers for tests that can be run again: EBPH_SEED (environment) chooses them. */
#ifndef EBPH_TESTS_RANDOM_H
#define EBPH_TESTS_RANDOM_H

/* After cmocka.h. */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Less than @limit, which is not 0. */
static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

/* A state; says which, and whoever runs the tests shows it when one fails. */
static inline uint64_t random_start(void)
{
	const char *chosen = getenv("EBPH_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (chosen)
		seed = strtoull(chosen, NULL, 0);
	print_message("# EBPH_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

#endif
