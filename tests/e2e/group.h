/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups (version 2) for tests. */
#ifndef EBPH_TESTS_GROUP_H
#define EBPH_TESTS_GROUP_H

/* Finds where they are, and mounts them where they are not. */
void groups_find(void);

/* By name, as in /proc/PID/cgroup. */
void group_make(const char *name);
void group_remove(const char *name);

/* For struct child_how.prepare: the child goes into the group of this name. */
void group_for_next_child(const char *name);
void group_enter(void);

#endif
