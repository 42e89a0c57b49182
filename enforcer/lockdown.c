// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/lockdown.h"

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <string.h>
#include <linux/bpf.h>

#include "enforcer/util.h"

#define EXEC_TRACEPOINT "sched_process_exec"

/* A libbpf_prog_prepare_load_fn_t: after libbpf has changed the program, before it is loaded. */
static int helper_restore(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	size_t n = bpf_program__insn_cnt(program);
	AUTO_FREE struct bpf_insn *insns = calloc(n, sizeof(*insns));

	(void)opts;
	(void)cookie;
	if (!insns)
		return -ENOMEM;
	memcpy(insns, bpf_program__insns(program), n * sizeof(*insns));
	for (size_t i = 0; i < n; i++)
		if (insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src_reg == 0 &&
		    insns[i].imm == BPF_FUNC_probe_read_str)
			insns[i].imm = BPF_FUNC_probe_read_user_str;
	return bpf_program__set_insns(program, insns, n);
}

/* A libbpf_prog_attach_fn_t. */
static int trace_attach(const struct bpf_program *program, long cookie, struct bpf_link **link)
{
	(void)cookie;
	*link = bpf_program__attach_trace(program);
	return *link ? 0 : -errno;
}

int lockdown_register(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = helper_restore,
		    .prog_attach_fn = trace_attach);
	static bool registered;
	int r;

	/* Once: another would move the handlers, and libbpf keeps pointers to them. */
	if (registered)
		return 0;
	r = libbpf_register_prog_handler("tp_btf/" EXEC_TRACEPOINT, BPF_PROG_TYPE_TRACING,
					 BPF_TRACE_RAW_TP, &opts);
	registered = r >= 0;
	return r < 0 ? r : 0;
}

int lockdown_prepare(struct bpf_program *program)
{
	return bpf_program__set_attach_target(program, 0, EXEC_TRACEPOINT);
}
