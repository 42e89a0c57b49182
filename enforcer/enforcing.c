// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/enforcing.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "enforcer/guardian.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

int enforcing_possible(const struct conf *conf, enum abort_rung rung)
{
	if (!conf_enforces(conf) || rung != ABORT_NONE)
		return 0;
	if (conf->enforcer.require) {
		log_error("this kernel cannot abort an execve, and require = yes: not enforcing "
			  "(use mode = dry-run, abort_kill = yes or a kernel with fmod_ret)");
		return -ENOTSUP;
	}
	log_warn("THIS KERNEL CANNOT ABORT AN EXECVE: an anomalous one is reported and delayed, "
		 "but it happens");
	return 0;
}

static int guardian_renew(struct enforcing *enforcing)
{
	pid_t pid = guardian_start(enforcing->kernel, enforcing->bpf_dir, enforcing->background);

	if (pid < 0) {
		log_error("cannot start the guardian: %s", strerror(-pid));
		return pid;
	}
	enforcing->guardian = pid;
	event_self(enforcing->sink, "guardian", json_pack("{s:i}", "pid", (int)pid));
	return 0;
}

static int record_pin(struct enforcing *enforcing)
{
	int r = 0;

	if (enforcing->pinned)
		return 0;
	if (enforcing->bpf_dir_fd < 0)
		enforcing->bpf_dir_fd = delayed_lock(enforcing->bpf_dir);
	if (enforcing->bpf_dir_fd < 0)
		r = enforcing->bpf_dir_fd;
	if (!r)
		r = delayed_pin(kernel_delayed_fd(enforcing->kernel), enforcing->bpf_dir);
	if (r)
		log_error("cannot pin the record of delays in %s: %s (is a bpf file system "
			  "mounted there?)",
			  enforcing->bpf_dir, strerror(-r));
	enforcing->pinned = !r;
	return r;
}

int enforcing_begin(struct enforcing *enforcing)
{
	int r;

	if (enforcing->begun)
		return 0;
	r = record_pin(enforcing);
	if (r)
		return r;
	r = kernel_arm(enforcing->kernel);
	if (r) {
		log_error("cannot attach the programs that answer: %s (--debug tells more)",
			  strerror(-r));
		return r;
	}
	enforcing->begun = true;
	return guardian_renew(enforcing);
}

void enforcing_child_changed(struct enforcing *enforcing, pid_t pid, int status)
{
	if (pid != enforcing->guardian)
		return;
	if (WIFSTOPPED(status)) {
		kill(pid, SIGCONT);
		log_warn("the guardian was stopped: it goes on");
		return;
	}
	log_warn("the guardian died: starting another");
	enforcing->guardian = 0;
	guardian_renew(enforcing);
}

void enforcing_tick(struct enforcing *enforcing)
{
	/* Without a guardian nobody would release whom we stop, should we die. */
	if (enforcing->begun && !enforcing->guardian)
		kernel_settings(enforcing->kernel)->stand_down = guardian_renew(enforcing) != 0;
}

void enforcing_release(struct enforcing *enforcing)
{
	if (enforcing->pinned)
		delayed_release_all(kernel_delayed_fd(enforcing->kernel));
}

void enforcing_end(struct enforcing *enforcing)
{
	if (enforcing->pinned) {
		/* The guardian would do it just so after our death; this is the shorter way. */
		kernel_detach(enforcing->kernel);
		enforcing_release(enforcing);
		delayed_unpin(kernel_delayed_fd(enforcing->kernel), enforcing->bpf_dir);
	}
	close_fd(&enforcing->bpf_dir_fd);
}
