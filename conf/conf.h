/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration of ebphd: one struct, loaded over the defaults from one file.
 *
 * Which options there are, their types, ranges, defaults and explanations stand in one table,
 * conf/option.c; each row is stored in the field of struct conf with the same section and name.
 * A new option is a field here and a row there.
 *
 * Nothing here logs: what is wrong with a file is handed back as diagnostics.
 */
#ifndef EBPH_CONF_CONF_H
#define EBPH_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

/** Where ebphd looks when it is given no --config. */
#define CONF_PATH_DEFAULT "/etc/ebph/ebph.conf"

/** Largest file that is read, in bytes. */
#define CONF_FILE_MAX (1024 * 1024)

/** Longest line, in bytes without its line end; comments may be longer. inih's buffer sets it. */
#define CONF_LINE_MAX 197

/** Errors that are kept, and warnings; further ones are only counted. */
#define CONF_DIAG_MAX 20

/** Most files in PATH.d, the drop-ins. */
#define CONF_DROP_INS_MAX 256

/** More options than this do not compile: room for arrays with one element per option. */
#define CONF_OPTIONS_MAX 64

/** Likewise, in a section [binary PATH]. */
#define CONF_BINARY_OPTIONS_MAX 16

enum conf_mode {
	CONF_MODE_MONITOR, /* learn and alert */
	CONF_MODE_DRY_RUN, /* decide everything, do nothing, count what would have been done */
	CONF_MODE_ENFORCE, /* delay and abort */
	CONF_MODE_IGNORE,  /* not even learn; of single programs only */
};

/** What a program knows whose file was replaced by another at the same path. */
enum conf_upgrade {
	CONF_UPGRADE_FRESH,   /* nothing */
	CONF_UPGRADE_INHERIT, /* what the old version was seen to do; it trains on from there */
};

/** How a delay grows with the recent anomalies. */
enum conf_curve {
	CONF_CURVE_EXPONENTIAL, /* pH's: it doubles with each */
	CONF_CURVE_LINEAR,
};

/** Which calls are delayed. */
enum conf_delay_on {
	CONF_DELAY_ON_FRAME,   /* pH's: every one of a thread with recent anomalies */
	CONF_DELAY_ON_ANOMALY, /* those that are anomalies themselves */
};

/** The line that decided a value. */
struct conf_origin {
	uint32_t line; /* from 1; 0: none, it is the default */
	uint32_t file; /* in struct conf.files */
};

/** The origin of a value that the command line has decided, and of one that a reload has kept. */
#define CONF_ORIGIN_COMMAND_LINE ((struct conf_origin){.line = UINT32_MAX})
#define CONF_ORIGIN_KEPT	 ((struct conf_origin){.line = UINT32_MAX - 1})

/** Which programs are followed. */
enum conf_scope {
	CONF_SCOPE_ALL,
	CONF_SCOPE_LISTED, /* those that a section [binary] is for */
};

/** A word of a list. */
struct conf_word {
	char *text;   /* as in the file */
	char *real;   /* of a path that leads elsewhere through symbolic links: where; or NULL */
	bool is_glob; /* for fnmatch(3); else the one path */
	uint16_t n_literal; /* of .text before its first wildcard; of a path, all */
	uint32_t id;	    /* of a system call: its id; of a user: uid */
};

/** Words, each once, in the order of the files. Begin with {0}. */
struct conf_list {
	struct conf_word *words;
	size_t n;
};

/** What can be set for single programs, under the names that it has in the file. */
struct conf_settings {
	enum conf_mode mode;
	uint32_t tolerance;
	uint64_t delay_base_ns;
	uint64_t max_delay_ns;
	enum conf_curve delay_curve;
	enum conf_delay_on delay_on;
	uint32_t exec_abort_limit;
	uint32_t anomaly_limit;
	uint32_t tolerize_limit;
	uint64_t normal_wait_ns;
	struct conf_list allow_calls; /* what [allow] has comes on top */
	struct conf_list allow_exec;  /* likewise */
	struct conf_list containers;  /* of each section its own: where its path is one inside */
};

/** A section [binary PATH]. */
struct conf_binary {
	struct conf_word path;
	struct conf_origin origin;     /* its header; the last, if several files have one */
	struct conf_settings settings; /* only those with an origin are set */
	struct conf_origin origins[CONF_BINARY_OPTIONS_MAX]; /* conf_binary_option() knows which */
};

/** What holds for a program, and which line decided it. */
struct conf_effective {
	struct conf_settings settings; /* its lists belong to the configuration */
	struct conf_origin origins[CONF_BINARY_OPTIONS_MAX];
	bool listed; /* there is a section for it */
};

/**
 * Options by section, under the names that they have in the file; durations end in _ns, sizes are
 * in bytes.
 */
struct conf {
	struct {
		enum conf_mode mode;
		enum conf_scope scope;
		bool require;  /* refuse to start where mode = enforce cannot be done in full */
		char *run_dir; /* socket, pid file, saved state */
		char *bpf_dir; /* pinned maps; on a bpf file system */
		struct conf_list control_group; /* who may read at the control socket */
	} enforcer;

	struct {
		uint64_t min_calls;	    /* training calls before a profile may freeze */
		uint32_t min_runs;	    /* runs (execve) before a profile may freeze */
		uint64_t normal_wait_ns;    /* frozen for this long: normal */
		uint32_t normal_factor;	    /* freeze when train_count * normal_factor_den */
		uint32_t normal_factor_den; /* > normal_count * normal_factor */
		uint32_t anomaly_limit;	    /* anomalies before a normal profile is doubted */
		uint32_t tolerize_limit;    /* LFC beyond which nothing new is kept */
		bool auto_tolerize;	    /* a doubted profile goes back to training */
		uint64_t heat_half_life_ns; /* 0: no heat */
	} detection;

	struct {
		uint64_t delay_base_ns; /* a call is delayed by 2^LFC times this */
		uint64_t max_delay_ns;	/* no single delay is longer */
		enum conf_curve delay_curve;
		enum conf_delay_on delay_on;
		uint32_t tolerance;	   /* LFC that costs nothing yet */
		bool deferral;		   /* delays before the call takes effect */
		bool abort_kill;	   /* whose execve cannot be refused is killed */
		uint32_t exec_abort_limit; /* LFC at which every execve is aborted */
		uint32_t breaker_limit; /* executables answered in a window; more: dry-run; 0: no */
		uint64_t breaker_window_ns;
		uint64_t breaker_pause_ns; /* for so long */
	} response;

	/* What is neither delayed nor aborted, whoever does it. */
	struct {
		struct conf_list executables; /* paths and globs */
		struct conf_list users;
		struct conf_list cgroups; /* paths and globs, or names of systemd units */
		struct conf_list calls;
		struct conf_list exec; /* paths and globs of what is executed */
	} allow;

	struct {
		char *executable; /* empty: there is no drill */
		uint32_t one_in;  /* calls */
		uint64_t delay_ns;
		uint64_t duration_ns; /* from the start of ebphd on */
	} drill;

	struct {
		uint32_t max_profiles;
		uint64_t memory_limit;	   /* of all maps together */
		char *state_dir;	   /* profiles; empty: none are kept */
		uint64_t save_interval_ns; /* between two savings of what has changed */
		enum conf_upgrade on_upgrade;
		uint32_t max_saved; /* profiles in state_dir */
	} store;

	struct {
		char *events; /* JSON lines; empty: no file */
	} log;

	struct conf_settings binary; /* of programs without a section: what is above */

	struct conf_binary **binaries; /* the sections, in the order of the files */
	size_t n_binaries;
	struct conf_binary **globs; /* those with a glob, the least specific first */
	size_t n_globs;
	void *by_path, *by_real; /* the others: trees of tsearch(3) */

	struct conf_origin origins[CONF_OPTIONS_MAX]; /* by place in the option table */
	char **files;				      /* that were read, in this order */
	size_t n_files;
};

enum conf_severity {
	CONF_ERROR,   /* the file is refused */
	CONF_WARNING, /* the file is taken, but it may not say what was meant */
};

struct conf_diag_item {
	enum conf_severity severity;
	unsigned int line;   /* from 1; 0: about the file as a whole */
	unsigned int column; /* in bytes, from 1; 0: none */
	char *file;
	char *message; /* what is wrong, and what was expected or what to do */
	char *text;    /* the line itself, without its line end; NULL: none */
};

/** Diagnostics in the order of the file. Begin with `struct conf_diag diag = {0}`. */
struct conf_diag {
	struct conf_diag_item items[2 * CONF_DIAG_MAX];
	size_t n_items;
	size_t n_errors;   /* all, kept or not */
	size_t n_warnings; /* all, kept or not */
};

/**
 * Make a configuration of defaults.
 *
 * @param ret_conf Result, to be freed with conf_free().
 * @return 0, or -ENOMEM.
 */
int conf_new_default(struct conf **ret_conf);

/** Free a configuration; NULL is fine. */
void conf_free(struct conf *conf);

static inline void conf_freep(struct conf **conf)
{
	conf_free(*conf);
}

/** `CONF_CLEANUP struct conf *conf = NULL;`: freed when the scope is left. */
#define CONF_CLEANUP __attribute__((cleanup(conf_freep)))

/**
 * Read a file over the defaults, and over it those in the directory PATH.d whose names end in
 * ".conf" and do not begin with a dot, in the order of strcmp(3). What a later file says of an
 * option replaces what an earlier one said; to a list it adds.
 *
 * Refused are files that do not exist or cannot be read, that are no regular files, that belong
 * neither to root nor to the effective user, that group or others may write, or that are larger
 * than CONF_FILE_MAX; and files with any error in them. PATH.d need not exist; of its owner and of
 * who may write to it the same is asked. All errors of all files are reported, not only the first.
 *
 * @param path File to read.
 * @param ret_conf Result, to be freed with conf_free().
 * @param diag Where diagnostics are added. On success there can be warnings; on any error but
 *        -ENOMEM there is at least one error.
 * @return 0; -EINVAL if the content is refused; -EPERM, -EISDIR, -EFBIG or -EINVAL if the file
 *         itself is; the error of open(2) or read(2); -ENOMEM.
 */
int conf_load(const char *path, struct conf **ret_conf, struct conf_diag *diag);

/** The text of a file; nothing of it needs to outlive the call. */
struct conf_source {
	const char *name; /* in diagnostics */
	const char *text; /* any bytes, no terminator needed */
	size_t len;	  /* in bytes */
};

/**
 * Parse texts over the defaults, each over those before: conf_load() without the files. Whether
 * paths exist, and where symbolic links lead, is not looked at.
 *
 * @param sources The texts.
 * @param n_sources How many.
 * @param ret_conf Result, to be freed with conf_free().
 * @param diag Where diagnostics are added.
 * @return 0, -EINVAL (see diag) or -ENOMEM.
 */
int conf_parse_all(const struct conf_source *sources, size_t n_sources, struct conf **ret_conf,
		   struct conf_diag *diag);

/**
 * Parse a single text: conf_parse_all() of one.
 *
 * @param name What diagnostics call the text.
 * @param text Text of len bytes; any bytes, no terminator needed.
 * @param len Length in bytes.
 * @param ret_conf Result, to be freed with conf_free().
 * @param diag Where diagnostics are added.
 * @return 0, -EINVAL (see diag) or -ENOMEM.
 */
int conf_parse(const char *name, const char *text, size_t len, struct conf **ret_conf,
	       struct conf_diag *diag);

/**
 * Decide whether a file may be believed: kind, owner, write permission, size.
 *
 * @param path Name for the diagnostic.
 * @param st What fstat(2) says of the open file.
 * @param euid The effective user of the reader.
 * @param diag Where the reason of a refusal is added.
 * @return 0, -EISDIR, -EINVAL (no regular file), -EPERM (owner, permissions) or -EFBIG.
 */
int conf_check_file(const char *path, const struct stat *st, uid_t euid, struct conf_diag *diag);

/**
 * Write the effective configuration, every option, such that conf_load() reads it back the same.
 *
 * @param conf Configuration to write.
 * @param with_origins Say above each option in a comment which line decided it.
 * @param out Where to; write errors are left to the caller's ferror().
 */
void conf_dump(const struct conf *conf, bool with_origins, FILE *out);

/** Write "FILE:LINE", "the command line", "the start" or "the default". */
void conf_origin_print(const struct conf *conf, struct conf_origin origin, FILE *out);

/**
 * Take a mode from the command line instead of what the files say. A section [binary] keeps a mode
 * of its own only if that does less: with dry-run, nobody is stopped.
 */
void conf_set_mode(struct conf *conf, enum conf_mode mode);

/**
 * Write ebph.conf.example: every option with its explanation, commented out at its default.
 *
 * @param out Where to; write errors are left to the caller's ferror().
 */
void conf_write_example(FILE *out);

/**
 * Say what holds for a program.
 *
 * Each option comes from the most specific section that sets it: first one with the very path, then
 * one with the path of a symbolic link to it, then globs, those with more characters before their
 * first wildcard first, and of two alike the one that stands further down; at last from the options
 * for all. The cost does not grow with the number of sections without a glob.
 *
 * @param conf Configuration.
 * @param path Where the program lies, free of symbolic links.
 * @param ret Result.
 */
void conf_for_path(const struct conf *conf, const char *path, struct conf_effective *ret);

/**
 * Say what holds for a program in a container: of the sections, only those count that name a
 * control group which it is in, or one above.
 *
 * @param conf Configuration.
 * @param path Where the program lies inside, free of symbolic links.
 * @param cgroup As in /proc/PID/cgroup: "/system.slice/docker-1.scope".
 * @param ret Result.
 */
void conf_for_container(const struct conf *conf, const char *path, const char *cgroup,
			struct conf_effective *ret);

/** Is anybody to be answered: is mode = enforce for all, or in any section [binary]? */
bool conf_enforces(const struct conf *conf);

/**
 * Write what conf_for_path() says, an option a line, with the lines that decided.
 *
 * @param conf Configuration.
 * @param path As there.
 * @param out Where to; write errors are left to the caller's ferror().
 */
void conf_explain(const struct conf *conf, const char *path, FILE *out);

/**
 * Told of each change.
 *
 * @param context As given to conf_diff().
 * @param line "[response] tolerance: 8 -> 12", "[allow] calls: -read +write", "[binary /x] mode: as
 *        for all -> ignore", "[binary /x]: new", "[binary /x]: gone".
 * @param at_start It takes effect at the next start only.
 */
typedef void conf_change_fn(void *context, const char *line, bool at_start);

/**
 * Compare two configurations.
 *
 * @param before What was.
 * @param after What is to be.
 * @param on_change Called for each difference, in the order of the option table.
 * @param context For on_change.
 * @return 0, or -ENOMEM; then not all has been told.
 */
int conf_diff(const struct conf *before, const struct conf *after, conf_change_fn *on_change,
	      void *context);

/**
 * Let an option in next be as it is in current, which gets the other value.
 *
 * @param section NULL: all options whose change takes a restart.
 * @param name Of the option, likewise.
 */
void conf_keep(struct conf *next, struct conf *current, const char *section, const char *name);

/** Let the two change their contents; who points to one of them finds those of the other. */
void conf_exchange(struct conf *a, struct conf *b);

/** Is a path, free of symbolic links, what the word says? Of lists of paths. */
bool conf_word_matches(const struct conf_word *word, const char *path);

/** Is it what any of the words says? */
bool conf_list_matches(const struct conf_list *list, const char *path);

/** Told of each control group that is found. @param id What the kernel calls it. */
typedef void conf_cgroup_fn(void *context, uint64_t id);

/**
 * Find the control groups that a word of a list of them names: all below them are meant, too.
 *
 * @param root Where the hierarchy (version 2) is mounted: conf_cgroup_root().
 * @param word A path in there, or a unit of the host's service manager; in their globs '\\' has no
 *        meaning, names have it. Units below anything but slices are somebody else's.
 * @param found Called for each; one may come twice.
 * @param context For found.
 * @return How many were found.
 */
size_t conf_cgroup_find(const char *root, const struct conf_word *word, conf_cgroup_fn *found,
			void *context);

/** Is a control group what any of the words of a list names, or below it? As conf_cgroup_find(). */
bool conf_list_has_cgroup(const struct conf_list *list, const char *cgroup);

/** Where control groups (version 2) are mounted; NULL: nowhere. */
const char *conf_cgroup_root(void);

/** Has the list a word with this id? Of lists of system calls and of users. */
bool conf_list_has_id(const struct conf_list *list, uint32_t id);

/** The name of a mode, as in the file; "unknown" for any other number. */
const char *conf_mode_name(enum conf_mode mode);

/**
 * Read a mode by its name, for --mode.
 *
 * @param name "monitor", "dry-run" or "enforce".
 * @param ret_mode Result.
 * @return 0, or -EINVAL if there is no such mode.
 */
int conf_mode_from_name(const char *name, enum conf_mode *ret_mode);

/**
 * Print diagnostics: `FILE:LINE:COLUMN: message`, then the line itself with a mark below the
 * column. Warnings have `warning: ` before the message. Control characters are shown as `?`.
 *
 * @param diag Diagnostics; none: nothing is printed.
 * @param out Where to.
 */
void conf_diag_print(const struct conf_diag *diag, FILE *out);

/** Free what diagnostics hold and make them empty again. */
void conf_diag_clear(struct conf_diag *diag);

#endif
