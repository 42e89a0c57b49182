/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libbpf needs to be told under lockdown=confidentiality. */
#ifndef EBPH_LOCKDOWN_H
#define EBPH_LOCKDOWN_H

struct bpf_program;

/**
 * lockdown_register() - takes the loading of our exec programs out of libbpf's hands.
 *
 * Under lockdown=confidentiality the kernel refuses bpf_probe_read_kernel. libbpf (1.1,
 * bpf_object__sanitize_prog()) takes this for an old kernel that knows only bpf_probe_read, and
 * puts that in place of bpf_probe_read_user_str, too: which would have been allowed, while what
 * it becomes is not. We change it back. To be called before the object is opened.
 *
 * Return: 0 or -errno.
 */
int lockdown_register(void);

/**
 * lockdown_prepare() - what libbpf would have done itself for the program, had it known it.
 * @program: one of our exec programs, opened and not yet loaded
 *
 * Return: 0 or -errno.
 */
int lockdown_prepare(struct bpf_program *program);

#endif
