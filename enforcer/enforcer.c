// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/enforcer.h"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "enforcer/control.h"
#include "enforcer/enforcing.h"
#include "enforcer/event.h"
#include "enforcer/keep.h"
#include "enforcer/lock.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/reload.h"
#include "enforcer/report.h"
#include "enforcer/response.h"
#include "enforcer/util.h"

#define TICK_NS	     (NSEC_PER_SEC / 2) /* well below EBPH_HEARTBEAT_LIMIT_NS */
#define REPORT_TICKS 120
#define SWEEP_TICKS  2

struct enforcer {
	struct conf *conf;
	const struct config_source *source;
	struct kernel *kernel;
	struct profiles *profiles;
	struct delays *delays;
	struct keep *keep;
	struct event_sink sink;
	struct report report;
	struct response response;
	struct ring_buffer *events, *stops;
	struct enforcing enforcing;
	struct control *control;
	bool on_terminal;
	bool stopping;
	bool more_slots; /* the stock of slots is still low */
	int lock_fd, epoll_fd, signal_fd, tick_fd;
	int saver_fd;	 /* that is watched; the saver's own, closed by it */
	pid_t saver_pid; /* whose it is: another saver may have the same number */
	unsigned int ticks;
};

/* ---- only one, and after whom --------------------------------------------------------- */

static int only_one(struct enforcer *enforcer)
{
	const char *run_dir = enforcer->conf->enforcer.run_dir;
	pid_t holder;
	int r = lock_take(run_dir, &enforcer->lock_fd, &holder);

	if (r == -EBUSY)
		log_error("another ebphd is running (pid %d): stop it first", holder);
	else if (r)
		log_error("cannot lock %s/ebphd.lock: %s", run_dir, strerror(-r));
	return r;
}

/* ---- preparing --------------------------------------------------------------------------- */

static int fd_watch(struct enforcer *enforcer, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(enforcer->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int loop_prepare(struct enforcer *enforcer)
{
	const struct itimerspec tick = {
		.it_interval.tv_nsec = TICK_NS,
		.it_value.tv_nsec = TICK_NS,
	};
	int r;

	enforcer->signal_fd = signals_open();
	enforcer->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (enforcer->signal_fd < 0 || enforcer->tick_fd < 0)
		return -errno;
	if (timerfd_settime(enforcer->tick_fd, 0, &tick, NULL))
		return -errno;
	enforcer->events = ring_buffer__new(kernel_events_fd(enforcer->kernel), event_handle,
					    &enforcer->sink, NULL);
	enforcer->stops = ring_buffer__new(kernel_stops_fd(enforcer->kernel), event_handle,
					   &enforcer->sink, NULL);
	if (!enforcer->events || !enforcer->stops)
		return -errno;
	r = fd_watch(enforcer, enforcer->signal_fd);
	if (!r)
		r = fd_watch(enforcer, enforcer->tick_fd);
	if (!r)
		r = fd_watch(enforcer, enforcer->delays->timer_fd);
	if (!r)
		r = fd_watch(enforcer, ring_buffer__epoll_fd(enforcer->events));
	if (!r)
		r = fd_watch(enforcer, ring_buffer__epoll_fd(enforcer->stops));
	return r;
}

/* Room for profiles, and those that were learned before. Logs what is wrong. */
static int profiles_kept(struct enforcer *enforcer)
{
	struct profiles *profiles = enforcer->profiles;
	int r = config_fits(enforcer->conf, profiles);

	if (r)
		return r;
	profiles->memory_limit = enforcer->conf->store.memory_limit;
	r = rules_renew(profiles, enforcer->conf);
	if (r)
		return r;
	r = keep_new(enforcer->conf, profiles, &enforcer->sink, &enforcer->keep);
	enforcer->sink.keep = enforcer->keep;
	return r;
}

static int parts_new(struct enforcer *enforcer, enum abort_rung best)
{
	const struct conf *conf = enforcer->conf;
	struct support support;
	int r;

	/* In any mode: it may be enforce one day, and programs are loaded all at once. */
	support_find(best, conf->response.abort_kill, conf->response.deferral, &support);
	r = enforcing_possible(conf, support.rung);
	if (r)
		return r;
	r = kernel_new(conf, &support, &enforcer->kernel);
	if (r) {
		log_error("the kernel refuses the BPF programs: %s (--debug tells more)",
			  strerror(-r));
		return r;
	}
	r = journal_open(&enforcer->sink.journal, conf->log.events);
	if (r) {
		log_error("cannot open the event file %s: %s", conf->log.events, strerror(-r));
		return r;
	}
	r = profiles_new(enforcer->kernel, &enforcer->profiles);
	enforcer->sink.profiles = enforcer->profiles;
	if (!r)
		r = profiles_kept(enforcer);
	if (r)
		return r;
	enforcer->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!r && enforcer->epoll_fd < 0)
		r = -errno;
	if (!r)
		r = delays_new(enforcer->kernel, enforcer->epoll_fd, event_released,
			       &enforcer->sink, &enforcer->delays);
	enforcer->sink.delays = enforcer->delays;
	if (!r)
		r = loop_prepare(enforcer);
	for (bool more = true; !r && more;)
		r = profiles_stock(enforcer->profiles, &more);
	if (r)
		log_error("cannot prepare: %s", strerror(-r));
	return r;
}

int enforcer_new(struct conf *conf, const struct config_source *source, enum abort_rung best,
		 struct enforcer **ret)
{
	struct enforcer *enforcer = calloc(1, sizeof(*enforcer));
	unsigned int released;
	int r;

	if (!enforcer)
		return -ENOMEM;
	enforcer->conf = conf;
	enforcer->source = source;
	enforcer->enforcing.bpf_dir_fd = -1;
	enforcer->lock_fd = -1;
	enforcer->epoll_fd = enforcer->signal_fd = enforcer->tick_fd = enforcer->saver_fd = -1;
	enforcer->sink.journal.fd = -1;
	limits_raise();
	r = only_one(enforcer);
	if (!r)
		r = leftovers_release(conf, &released);
	if (!r) {
		if (released)
			log_warn("released %u processes that a dead ebphd had delayed", released);
		r = parts_new(enforcer, best);
	}
	if (r) {
		enforcer_free(enforcer);
		return r;
	}
	*ret = enforcer;
	return 0;
}

void enforcer_free(struct enforcer *enforcer)
{
	if (!enforcer)
		return;
	if (enforcer->kernel)
		kernel_settings(enforcer->kernel)->stand_down = 1;
	control_free(enforcer->control);
	ring_buffer__free(enforcer->events);
	ring_buffer__free(enforcer->stops);
	close_fd(&enforcer->tick_fd);
	close_fd(&enforcer->signal_fd);
	close_fd(&enforcer->epoll_fd);
	enforcing_end(&enforcer->enforcing);
	report_end(&enforcer->report);
	drill_free(&enforcer->response.drill);
	delays_free(enforcer->delays);
	keep_free(enforcer->keep);
	profiles_free(enforcer->profiles);
	journal_close(&enforcer->sink.journal);
	kernel_free(enforcer->kernel);
	close_fd(&enforcer->lock_fd);
	free(enforcer);
}

/* ---- running ----------------------------------------------------------------------------- */

/* The saver may be another than before. */
static int saver_watch(struct enforcer *enforcer)
{
	const struct saver *saver = &enforcer->keep->saver;
	int r = 0;

	if (saver->pid != enforcer->saver_pid && saver->fd >= 0)
		r = fd_watch(enforcer, saver->fd);
	enforcer->saver_fd = saver->fd;
	enforcer->saver_pid = saver->pid;
	return r;
}

static struct reload reload_parts(struct enforcer *enforcer)
{
	return (struct reload){
		.conf = enforcer->conf,
		.source = enforcer->source,
		.profiles = enforcer->profiles,
		.enforcing = &enforcer->enforcing,
		.sink = &enforcer->sink,
	};
}

/* Opens the control socket. Logs what is wrong. */
static int control_open(struct enforcer *enforcer)
{
	const struct reload reload = reload_parts(enforcer);
	int r = control_new(&reload, enforcer->keep, &enforcer->control);

	return r ? r : fd_watch(enforcer, control_fd(enforcer->control));
}

static void reload(struct enforcer *enforcer)
{
	const struct reload parts = reload_parts(enforcer);

	config_reload(&parts);
}

int enforcer_start(struct enforcer *enforcer, bool background)
{
	int r = 0;

	enforcer->enforcing.kernel = enforcer->kernel;
	enforcer->enforcing.sink = &enforcer->sink;
	enforcer->enforcing.bpf_dir = enforcer->conf->enforcer.bpf_dir;
	enforcer->enforcing.background = background;
	enforcer->on_terminal = !background && isatty(STDERR_FILENO);
	if (conf_enforces(enforcer->conf))
		r = enforcing_begin(&enforcer->enforcing);
	if (r)
		return r;
	if (kernel_introduce(enforcer->kernel, EBPH_OURS_DAEMON)) {
		log_error(
			"this kernel has no memory for a thread's state (Linux 6.18 and later need "
			"a CPU with cmpxchg16b)");
		return -ENOMEM;
	}
	r = keep_start(enforcer->keep);
	if (!r)
		r = saver_watch(enforcer);
	if (!r)
		r = control_open(enforcer);
	if (r)
		return r;
	drill_start(&enforcer->response.drill, enforcer->conf, &enforcer->sink);
	kernel_settings(enforcer->kernel)->heartbeat_ns = now_ns(CLOCK_MONOTONIC);
	r = kernel_attach(enforcer->kernel);
	if (r) {
		log_error("cannot attach the BPF programs: %s (--debug tells more)", strerror(-r));
		return r;
	}
	/* What loading the programs and reading the profiles took lies between what has stayed. */
	malloc_trim(0);
	report_start(&enforcer->report, enforcer->conf, enforcer->kernel);
	event_self(&enforcer->sink, "start",
		   json_pack("{s:s, s:s, s:b, s:i}", "mode",
			     conf_mode_name(enforcer->conf->enforcer.mode), "abort_rung",
			     abort_rung_name(enforcer->kernel->rung), "kernel_releases",
			     enforcer->kernel->ontime != NULL, "pid", (int)getpid()));
	return 0;
}

static void report(struct enforcer *enforcer, bool asked)
{
	report_print(&enforcer->report, enforcer->kernel, enforcer->profiles, &enforcer->sink,
		     asked);
}

static void on_signal(struct enforcer *enforcer)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(enforcer->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1) {
			report(enforcer, true);
			continue;
		}
		/* From a terminal that has gone it means what it means to all who ran on it. */
		if (info.ssi_signo == SIGHUP &&
		    !(enforcer->on_terminal && !isatty(STDERR_FILENO))) {
			reload(enforcer);
			continue;
		}
		if (info.ssi_signo != SIGCHLD) {
			log_info("ending, by signal %u", info.ssi_signo);
			enforcer->stopping = true;
			continue;
		}
		while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0)
			enforcing_child_changed(&enforcer->enforcing, pid, status);
	}
}

/* Who has been frozen long enough is normal, though it may not run to notice. */
static void profiles_advance(struct enforcer *enforcer)
{
	uint64_t now = now_ns(CLOCK_BOOTTIME);

	for (uint32_t slot = 1; slot < enforcer->profiles->next_slot; slot++) {
		struct ebph_profile *head = &enforcer->kernel->heads[slot];
		uint32_t frozen = EBPH_STATE_FROZEN;

		if (__atomic_load_n(&head->state, __ATOMIC_ACQUIRE) == EBPH_STATE_FROZEN &&
		    now >= head->normal_due_ns &&
		    __atomic_compare_exchange_n(&head->state, &frozen, EBPH_STATE_NORMAL, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			event_state(&enforcer->sink, slot, EBPH_STATE_FROZEN, EBPH_STATE_NORMAL,
				    now);
	}
}

static void stock(struct enforcer *enforcer)
{
	int r;

	keep_make_room(enforcer->keep);
	r = profiles_stock(enforcer->profiles, &enforcer->more_slots);

	if (r)
		log_warn("cannot prepare room for new programs: %s", strerror(-r));
}

/* A portion of the news; what is left keeps the ring ready. */
static void events_take(struct enforcer *enforcer)
{
	if (ring_buffer__consume(enforcer->events) < 0 || !enforcer->profiles->n_retired)
		return;
	/* Nothing that is still to be read can be about the profiles that have left. */
	if (ring_buffer__consume(enforcer->stops) >= 0)
		profiles_drained(enforcer->profiles);
}

static void saver_check(struct enforcer *enforcer)
{
	int r = saver_watch(enforcer);

	if (r)
		log_error("cannot watch the process that saves profiles: %s", strerror(-r));
}

static void on_tick(struct enforcer *enforcer)
{
	uint64_t expirations;

	if (read(enforcer->tick_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_warn("cannot read the tick timer: %s", strerror(errno));
	enforcing_tick(&enforcer->enforcing);
	profiles_advance(enforcer);
	if (enforcer->profiles->n_retired)
		events_take(enforcer);
	keep_tick(enforcer->keep);
	saver_check(enforcer);
	control_tick(enforcer->control);
	rules_tick(&enforcer->profiles->rules);
	kernel_guards_rest(enforcer->kernel);
	response_tick(&enforcer->response, &enforcer->sink);
	stock(enforcer);
	if (++enforcer->ticks % SWEEP_TICKS == 0)
		delays_sweep(enforcer->delays);
	if (enforcer->ticks % REPORT_TICKS == 0)
		report(enforcer, false);
}

/* Stops following, and takes what was reported until then. */
static void loop_end(struct enforcer *enforcer)
{
	/*
	 * Before the programs go, in whatever order: guards are there longer than what tells them
	 * which call it is, and of the calls of a thread some may be seen and others not.
	 */
	kernel_settings(enforcer->kernel)->stand_down = 1;
	kernel_settings(enforcer->kernel)->ending = 1;
	running_programs_wait();
	enforcing_release(&enforcer->enforcing); /* before anything that may take its time */
	kernel_detach(enforcer->kernel);	 /* seconds, with all guards */
	/* event_handle() takes a portion at a time; nothing comes after it any more. */
	while (ring_buffer__consume(enforcer->events) < 0)
		;
	while (ring_buffer__consume(enforcer->stops) < 0)
		;
	control_free(TAKE_PTR(enforcer->control));
	keep_finish(enforcer->keep);
	report(enforcer, true);
	event_self(&enforcer->sink, "end", json_object());
}

static void on_saver(struct enforcer *enforcer)
{
	keep_answered(enforcer->keep);
	saver_check(enforcer);
}

static void on_ready(struct enforcer *enforcer, int fd)
{
	if (fd == enforcer->tick_fd)
		on_tick(enforcer);
	else if (fd == enforcer->signal_fd)
		on_signal(enforcer);
	else if (fd == ring_buffer__epoll_fd(enforcer->events))
		events_take(enforcer);
	else if (fd == ring_buffer__epoll_fd(enforcer->stops))
		ring_buffer__consume(enforcer->stops);
	else if (fd == control_fd(enforcer->control))
		control_run(enforcer->control);
	else if (fd == enforcer->saver_fd)
		on_saver(enforcer);
	else if (fd != enforcer->delays->timer_fd)
		delay_process_ended(enforcer->delays, fd);
}

int enforcer_loop(struct enforcer *enforcer)
{
	while (!enforcer->stopping) {
		struct epoll_event ready[16];
		int wait_ms = keep_run(enforcer->keep);
		int n = epoll_wait(enforcer->epoll_fd, ready, ARRAY_SIZE(ready),
				   enforcer->more_slots ? 0 : wait_ms);

		if (n < 0 && errno != EINTR) {
			log_error("epoll: %s", strerror(errno));
			return -errno;
		}
		/* Whatever else there is to do, nobody waits longer than he should. */
		kernel_settings(enforcer->kernel)->heartbeat_ns = now_ns(CLOCK_MONOTONIC);
		delays_run(enforcer->delays);
		for (int i = 0; i < n; i++)
			on_ready(enforcer, ready[i].data.fd);
		stock(enforcer);
	}
	loop_end(enforcer);
	return 0;
}
