/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "option.h"

#include <assert.h>
#include <string.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define US		  UINT64_C(1000)
#define MS		  (1000 * US)
#define S		  (1000 * MS)
#define MIN		  (60 * S)
#define H		  (60 * MIN)
#define D		  (24 * H)

#define M		  (UINT64_C(1) << 20)
#define G		  (UINT64_C(1) << 30)

/* Ranges of options that single programs can have differently. */
#define ANOMALIES_MAX  1000000000
#define TOLERIZE_MAX   128
#define WAIT_MAX       (365 * D)
#define DELAY_BASE_MAX (10 * S)
#define DELAY_MAX      H
#define RECENT_MAX     1000000

const char *const conf_mode_names[] = {
	[CONF_MODE_MONITOR] = "monitor",
	[CONF_MODE_DRY_RUN] = "dry-run",
	[CONF_MODE_ENFORCE] = "enforce",
	[CONF_MODE_IGNORE] = "ignore",
	NULL,
};

const char *const conf_upgrade_names[] = {
	[CONF_UPGRADE_FRESH] = "fresh",
	[CONF_UPGRADE_INHERIT] = "inherit",
	NULL,
};

const char *const conf_scope_names[] = {
	[CONF_SCOPE_ALL] = "all",
	[CONF_SCOPE_LISTED] = "listed",
	NULL,
};

const char *const conf_curve_names[] = {
	[CONF_CURVE_EXPONENTIAL] = "exponential",
	[CONF_CURVE_LINEAR] = "linear",
	NULL,
};

const char *const conf_delay_on_names[] = {
	[CONF_DELAY_ON_FRAME] = "frame",
	[CONF_DELAY_ON_ANOMALY] = "anomaly",
	NULL,
};

static_assert(sizeof(enum conf_mode) == sizeof(unsigned int), "an enum is stored as unsigned int");
static_assert(sizeof(enum conf_upgrade) == sizeof(unsigned int), "likewise");
static_assert(sizeof(enum conf_scope) == sizeof(unsigned int), "likewise");
static_assert(sizeof(enum conf_curve) == sizeof(unsigned int), "likewise");
static_assert(sizeof(enum conf_delay_on) == sizeof(unsigned int), "likewise");

const struct conf_section conf_sections[] = {
	{"enforcer", "What ebphd does, and where it keeps its files."},
	{"detection", "When a profile has learned enough to be believed."},
	{"response", "What an anomaly costs."},
	{"allow", "What is neither delayed nor refused, whoever does it. It is still learned and "
		  "reported."},
	{"drill", "Delays for nothing, to learn how a program bears them before you enforce."},
	{"store", "What is kept, and where, and how much."},
	{"log", "What is written down."},
	{CONF_SECTION_BINARY,
	 "What is to be different for single programs. There may be any number of these sections, "
	 "each with the path of a program, or of a symbolic link to it, or with a glob: * and ? "
	 "and "
	 "[a-z] stand for anything but '/'. What a section leaves out is as for all programs. If "
	 "several are for one program, each option comes from the most specific one that sets it: "
	 "a path comes before globs, more characters before the first wildcard come before fewer, "
	 "and of two alike the one further down counts. `ebphd --explain PATH` says what holds for "
	 "a "
	 "program, and which line decided it."},
};

const size_t conf_n_sections = ARRAY_SIZE(conf_sections);

static_assert(ARRAY_SIZE(conf_sections) <= CONF_SECTIONS_MAX, "raise CONF_SECTIONS_MAX");

/* Offset of a field; does not compile if the field has another type than its option stores. */
#define FIELD(member, stored)                                                                      \
	(offsetof(struct conf, member) + _Generic(((struct conf *)0)->member, stored : 0))

/* clang-format off */
#define AT_START .at_start = true

#define BOOL(s, n, preset, text, ...)                                                                   \
	{#s, #n, CONF_TYPE_BOOL, FIELD(s.n, bool), 0, 1, NULL, preset, .help = text, ##__VA_ARGS__}
#define COUNT32(s, n, min, max, preset, text, ...)                                                      \
	{#s, #n, CONF_TYPE_COUNT32, FIELD(s.n, uint32_t), min, max, NULL, preset, .help = text, ##__VA_ARGS__}
#define COUNT64(s, n, min, max, preset, text, ...)                                                      \
	{#s, #n, CONF_TYPE_COUNT64, FIELD(s.n, uint64_t), min, max, NULL, preset, .help = text, ##__VA_ARGS__}
#define DURATION(s, n, min, max, preset, text, ...)                                                     \
	{#s, #n, CONF_TYPE_DURATION, FIELD(s.n##_ns, uint64_t), min, max, NULL, preset, .help = text, ##__VA_ARGS__}
#define SIZE(s, n, min, max, preset, text, ...)                                                         \
	{#s, #n, CONF_TYPE_SIZE, FIELD(s.n, uint64_t), min, max, NULL, preset, .help = text, ##__VA_ARGS__}
#define ENUM(s, n, kind, last, preset, text, ...)                                                             \
	{#s, #n, CONF_TYPE_ENUM, FIELD(s.n, enum kind), 0, last, kind##_names, preset, .help = text, ##__VA_ARGS__}
#define PATH(s, n, min, max, preset, text, ...)                                                         \
	{#s, #n, CONF_TYPE_PATH, FIELD(s.n, char *), min, max, NULL, preset, .help = text, ##__VA_ARGS__}
#define LIST(s, n, kind, text, ...)                                                                     \
	{#s, #n, CONF_TYPE_##kind, FIELD(s.n, struct conf_list), 0, 0, NULL, "", .help = text, ##__VA_ARGS__}
/* clang-format on */

const struct conf_option conf_options[] = {
	ENUM(enforcer, mode, conf_mode, CONF_MODE_ENFORCE, "dry-run",
	     "monitor: learn, and report anomalies. dry-run: decide on every delay and every "
	     "abort, "
	     "do nothing, count and log what would have been done. enforce: do it. Begin with "
	     "dry-run, and read what would have been done before you enforce."),
	ENUM(enforcer, scope, conf_scope, CONF_SCOPE_LISTED, "all",
	     "all: every program of the host is followed. listed: only those that a section "
	     "[binary PATH] is for; all others cost nearly nothing. Begin with three services, and "
	     "grow to the host."),
	BOOL(enforcer, require, "no",
	     "What to do if mode = enforce and this kernel cannot do all of it. yes: refuse to "
	     "start, or to change to this mode. no: start with what there is, and say what is "
	     "missing."),
	/* A Unix socket in there must fit sun_path, 108 bytes. */
	PATH(enforcer, run_dir, 1, 80, "/run/ebph",
	     "Directory for the files of the running ebphd. It is made if it is not there.",
	     AT_START),
	PATH(enforcer, bpf_dir, 1, CONF_PATH_LEN_MAX, "/sys/fs/bpf/ebph",
	     "Directory for what ebphd pins in the kernel; it must lie on a bpf file system. If "
	     "ebphd dies, the processes that it had stopped are found here and released.",
	     AT_START),
	LIST(enforcer, control_group, GROUPS,
	     "Groups whose members may ask what ebphd knows (ebphctl status, ps, events, ...), and "
	     "nothing else. Without one, only root may. Names are looked up in /etc/group only.",
	     AT_START),

	COUNT64(detection, min_calls, 1, UINT64_C(1000000000000), "1000",
		"A profile stays in training until at least this many system calls of its "
		"executable have been seen."),
	COUNT32(detection, min_runs, 1, 1000000, "3",
		"A profile stays in training until its executable has been run at least this many "
		"times."),
	DURATION(detection, normal_wait, 0, WAIT_MAX, "7d",
		 "A frozen profile (one that has gained no new lookahead pair for long enough) "
		 "becomes normal after this time. From then on, unseen pairs are anomalies. Days "
		 "let it see what happens once a day or once a week; seconds are for tests. A "
		 "change "
		 "is for profiles that freeze after it."),
	COUNT32(detection, normal_factor, 1, 65536, "128",
		"pH's rule: a profile freezes at a call that brings no new lookahead pair when its "
		"training calls are more than normal_factor / normal_factor_den times those since "
		"its last new pair. A new pair ends that, so what decides is normal_wait."),
	COUNT32(detection, normal_factor_den, 1, 65536, "32", "The divisor of normal_factor."),
	COUNT32(detection, anomaly_limit, 1, ANOMALIES_MAX, "30",
		"A normal profile with more anomalies than this since it became normal may be "
		"wrong: that is reported, once, for a person to look."),
	BOOL(detection, auto_tolerize, "no",
	     "yes: a profile that has passed anomaly_limit goes back to training by itself, as in "
	     "pH. What it saw while it was normal is not accepted by that; but who makes a program "
	     "misbehave slowly enough can bring it to learn more. no: only a person sends a "
	     "profile back to training."),
	COUNT32(detection, tolerize_limit, 0, TOLERIZE_MAX, "12",
		"Unseen pairs of a normal profile are kept, so that they can be accepted later. A "
		"thread with an LFC above this looks like an attack: what was kept is forgotten, "
		"and what it does is not kept. 128: everything is kept."),
	DURATION(detection, heat_half_life, 0, 30 * D, "1min",
		 "Heat is the number of recent anomalies of all processes of a program and user: "
		 "each "
		 "counts half after this time, a quarter after twice this time. The response goes "
		 "by LFC or heat, whichever is larger. 0s: by LFC alone."),

	DURATION(
		response, delay_base, MS, DELAY_BASE_MAX, "10ms",
		"A delay is 2^N times this, N being the recent anomalies: LFC, which is how many "
		"of the last 128 calls of the thread were anomalies, or the heat of its program "
		"(heat_half_life) if that is more. With 10ms: 5 of them cost 0.32 s, 10 cost 10 s, "
		"12 cost 41 s."),
	DURATION(response, max_delay, MS, DELAY_MAX, "5min",
		 "No single delay is longer than this, however many anomalies there are. Not less "
		 "than delay_base."),
	ENUM(response, delay_curve, conf_curve, CONF_CURVE_LINEAR, "exponential",
	     "How a delay grows with N, the recent anomalies. exponential: 2^N times delay_base, "
	     "as in pH: few cost next to nothing, many stand still. linear: N times delay_base."),
	ENUM(response, delay_on, conf_delay_on, CONF_DELAY_ON_ANOMALY, "frame",
	     "Which calls are delayed. frame: every call of a thread while there was an anomaly "
	     "among its last 128 calls, as in pH. anomaly: only those calls that are anomalies "
	     "themselves."),
	COUNT32(response, tolerance, 0, RECENT_MAX, "0",
		"Recent anomalies that cost nothing: no call is delayed until there are more than "
		"this many."),
	BOOL(response, deferral, "yes",
	     "yes: a delay is served before the call takes effect, where the kernel has fmod_ret "
	     "or bpf among its security modules: the process is stopped in the middle of the call, "
	     "which is made again afterwards. "
	     "It takes some fifty hooks. no: the call runs, and the process is stopped after it.",
	     AT_START),
	BOOL(response, abort_kill, "no",
	     "yes: where this kernel has no way to refuse an execve, the process is killed instead "
	     "(SIGKILL), before the new program does anything. no: there such an execve is "
	     "delayed, "
	     "but it happens.",
	     AT_START),
	COUNT32(response, exec_abort_limit, 1, RECENT_MAX, "10",
		"An execve fails when the call itself is anomalous, or when there are this many "
		"recent anomalies."),
	COUNT32(response, breaker_limit, 0, 65536, "10",
		"The circuit breaker: when more different programs than this are delayed or "
		"refused "
		"an execve within breaker_window, something is wrong with ebphd and not with all "
		"of them (after an upgrade of a library, say). Then the response turns itself into "
		"dry-run, releases everybody, says so, and comes back after breaker_pause. Who can "
		"make that many programs misbehave at once can bring that about, too: then raise "
		"it. 0: there is no breaker."),
	DURATION(response, breaker_window, S, H, "1min",
		 "How long the breaker counts before it begins anew."),
	DURATION(response, breaker_pause, S, D, "5min",
		 "How long the breaker stays open after the last program that was too many. Not "
		 "less than breaker_window."),

	LIST(allow, executables, PATHS,
	     "Programs that are never delayed, and whose execves are never refused. A path is that "
	     "of the file itself or of a symbolic link to it. In a glob, * and ? and [a-z] stand "
	     "for anything but '/'."),
	LIST(allow, users, USERS,
	     "Users whose processes are never delayed, by their real uid. Names are looked up in "
	     "/etc/passwd only; give the number of a user who comes from elsewhere."),
	LIST(allow, cgroups, CGROUPS,
	     "Control groups (version 2), as /proc/PID/cgroup has them, whose processes are never "
	     "delayed, and whose execves are never refused; those below them too. A name without "
	     "'/' is that of a systemd unit, such as ssh.service; units of a user's manager or of "
	     "a container are found by path only. They are looked for again twice a second: a "
	     "service that starts anew has a new one."),
	LIST(allow, calls, CALLS,
	     "System calls that are never delayed, such as fsync. Those of 32-bit programs and of "
	     "io_uring are calls of their own: ia32:fsync, uring:fsync."),
	LIST(allow, exec, PATHS,
	     "Programs whose execution is never delayed or refused, whoever asks for it; paths and "
	     "globs, as for executables. It goes by the file that the kernel has opened (of a "
	     "script, its own), and what is at a path is looked for again every second. An execve "
	     "that finds no file is a call as any. This takes a kernel with fmod_ret, or with bpf "
	     "among its LSMs: elsewhere it has no effect, and ebphd says so."),
	PATH(drill, executable, 0, CONF_PATH_LEN_MAX, "",
	     "Program whose calls are delayed though nothing is wrong, by what mode = enforce "
	     "would "
	     "delay it with. In the other modes what would have been delayed is counted. Never a "
	     "protected program (init, sshd, login, ...). Nothing after the =: there is no drill.",
	     AT_START),
	COUNT32(drill, one_in, 1, 1000000000, "100",
		"One call in so many is delayed, drawn by lot.", AT_START),
	DURATION(drill, delay, MS, MIN, "20ms", "How long.", AT_START),
	DURATION(drill, duration, S, D, "10min",
		 "The drill is over after this time, counted from the start of ebphd.", AT_START),

	COUNT32(store, max_profiles, 16, 65536, "4096",
		"Most profiles in memory, one for each executable. When all are in use, the "
		"programs that have not been executed for the longest time make room; what they "
		"have learned stays on disk.",
		AT_START),
	SIZE(store, memory_limit, 4 * M, 64 * G, "64M",
	     "What the maps may take of the kernel's memory. Beyond it, the programs that have not "
	     "been executed for the longest time leave memory, normal ones last, and come back "
	     "from disk when they run again. Programs that are running do not leave."),
	PATH(store, state_dir, 0, CONF_PATH_LEN_MAX, "/var/lib/ebph",
	     "Directory where profiles are kept, one file each; it must be root's, and nobody "
	     "else's to read or write. Nothing after the =: nothing is kept, and what was learned "
	     "is lost when ebphd ends.",
	     AT_START),
	DURATION(store, save_interval, S, D, "5min",
		 "What has changed is saved this often, when a profile becomes normal, and at the "
		 "end."),
	ENUM(store, on_upgrade, conf_upgrade, CONF_UPGRADE_INHERIT, "inherit",
	     "What a program knows whose file was replaced by another at the same path. inherit: "
	     "it trains on from what the old version was seen to do. fresh: it knows nothing. "
	     "Either way it must become normal anew; the profile of the old version stays on disk "
	     "until then."),
	COUNT32(store, max_saved, 16, 10000000, "65536",
		"Most profiles on disk. Beyond it, those go that have not been executed for the "
		"longest time, normal ones last."),

	PATH(log, events, 0, CONF_PATH_LEN_MAX, "/var/log/ebph/events.jsonl",
	     "File to which anomalies and the answers to them are added, one line of JSON each. "
	     "Nothing after the =: no such file."),

	/* Last: an option is first looked for in the sections that are for all. */
	ENUM(binary, mode, conf_mode, CONF_MODE_IGNORE, NULL,
	     "The mode for this program. ignore: it is not followed at all; nothing is learned of "
	     "it and nothing reported."),
	COUNT32(binary, tolerance, 0, RECENT_MAX, NULL,
		"Recent anomalies that cost this program nothing. For a program that is known to "
		"surprise now and then."),
	DURATION(binary, delay_base, MS, DELAY_BASE_MAX, NULL,
		 "Its delays are 2^N times this, N being the recent anomalies; see delay_curve."),
	DURATION(binary, max_delay, MS, DELAY_MAX, NULL,
		 "None of its delays is longer than this. Not less than delay_base."),
	ENUM(binary, delay_curve, conf_curve, CONF_CURVE_LINEAR, NULL,
	     "How its delays grow: exponential, 2^N times delay_base, or linear, N times."),
	ENUM(binary, delay_on, conf_delay_on, CONF_DELAY_ON_ANOMALY, NULL,
	     "Which of its calls are delayed: every one of a thread with recent anomalies, or "
	     "those that are anomalies themselves."),
	COUNT32(binary, exec_abort_limit, 1, RECENT_MAX, NULL,
		"Its execves fail from this many recent anomalies on, whatever they execute."),
	COUNT32(binary, anomaly_limit, 1, ANOMALIES_MAX, NULL,
		"More anomalies than this since its profile became normal, and the profile is "
		"doubted."),
	COUNT32(binary, tolerize_limit, 0, TOLERIZE_MAX, NULL,
		"A thread of it with an LFC above this looks like an attack."),
	DURATION(binary, normal_wait, 0, WAIT_MAX, NULL,
		 "Its profile becomes normal when it has been frozen for this time."),
	LIST(binary, allow_calls, CALLS,
	     "System calls of this program that are never delayed, besides those that [allow] "
	     "has."),
	LIST(binary, allow_exec, PATHS,
	     "What this program may always execute, besides what [allow] has; paths and globs. "
	     "See exec there."),
	LIST(binary, containers, CGROUPS,
	     "Control groups of containers in which the path counts, too: there it is the path "
	     "inside, which whoever makes the container chooses. As cgroups in [allow]. Otherwise "
	     "a program in a mount namespace of its own, which the host cannot find at its path, "
	     "has no section."),
};

const size_t conf_n_options = ARRAY_SIZE(conf_options);

static_assert(ARRAY_SIZE(conf_options) <= CONF_OPTIONS_MAX, "raise CONF_OPTIONS_MAX");

const struct conf_option *conf_option_find(const char *section, const char *name)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];

		if ((!section || !strcmp(option->section, section)) && !strcmp(option->name, name))
			return option;
	}
	return NULL;
}

/* The place of the first option of a section [binary] in the table. */
static size_t binary_first(void)
{
	size_t i = conf_n_options;

	while (i && !strcmp(conf_options[i - 1].section, CONF_SECTION_BINARY))
		i--;
	return i;
}

const struct conf_option *conf_binary_option(size_t i)
{
	const size_t first = binary_first();

	return i < conf_n_options - first ? &conf_options[first + i] : NULL;
}

const struct conf_option *conf_option_for_all(const struct conf_option *option)
{
	const struct conf_option *for_all = conf_option_find(NULL, option->name);

	return for_all == option ? NULL : for_all;
}

struct conf_origin *conf_option_origin(const struct conf_option *option, struct conf *conf,
				       struct conf_binary *binary)
{
	const size_t i = (size_t)(option - conf_options);

	return binary ? &binary->origins[i - binary_first()] : &conf->origins[i];
}

void *conf_option_record(const struct conf_option *option, struct conf *conf,
			 struct conf_binary *binary)
{
	if (strcmp(option->section, CONF_SECTION_BINARY) != 0)
		return conf;
	return binary ? &binary->settings : &conf->binary;
}

const char *conf_section_label(const struct conf_section *section)
{
	return strcmp(section->name, CONF_SECTION_BINARY) ? section->name :
							    CONF_SECTION_BINARY " PATH";
}

const struct conf_section *conf_section_find(const char *name)
{
	for (size_t i = 0; i < conf_n_sections; i++)
		if (!strcmp(conf_sections[i].name, name))
			return &conf_sections[i];
	return NULL;
}
