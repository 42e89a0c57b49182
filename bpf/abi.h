/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel side and the daemon share: keys, profile heads, settings, events, counters.
 * Fixed-width types only, padding written out, times in nanoseconds.
 */
#ifndef EBPH_ABI_H
#define EBPH_ABI_H

#include <linux/types.h>
#include "lookahead.h"
#include "pairset.h"

#define EBPH_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has a hole")

/* ---- profiles -------------------------------------------------------------------------- */

/* What an executable is: the file, never its path. Another mtime is another program. */
struct ebph_exe {
	__u64 ino;
	__s64 mtime_ns;	  /* since 1970 */
	__u32 dev;	  /* the superblock's s_dev, in the kernel's own encoding */
	__u32 generation; /* i_generation: an inode number that is used again is another file */
};
EBPH_ASSERT_SIZE(struct ebph_exe, 24);

enum ebph_state {
	EBPH_STATE_NONE,     /* the slot has no profile */
	EBPH_STATE_TRAINING, /* learning */
	EBPH_STATE_FROZEN,   /* no new pair for long enough; still learns, which unfreezes it */
	EBPH_STATE_NORMAL,   /* unseen pairs are anomalies */
	/* The daemon has yet to say what is known of it from before. Nothing is tested, and what is
	 * seen does not belong to the profile so far. */
	EBPH_STATE_LOADING,
};

/* Bits of ebph_profile.flags, set by the daemon. */
#define EBPH_PROFILE_NAMED     1u  /* the daemon knows a path: no more hints needed */
#define EBPH_PROFILE_PROTECTED 2u  /* never stopped, never aborted */
#define EBPH_PROFILE_FRESH     8u  /* loading: nothing is known of it, what is seen belongs to it */
#define EBPH_PROFILE_DRILLED   16u /* some of its calls are delayed for nothing: a drill */
#define EBPH_PROFILE_LATE_ROOM 4u  /* where pairs go that find no room: ebph_late_key() */

/*
 * The head of a profile: all that is not pairs. One per slot, in an array that the daemon maps
 * into its memory, so the heads need not be copied when a pair set is replaced by a larger one.
 * Counters are added to atomically by both sides.
 */
struct ebph_profile {
	struct ebph_exe exe;
	__u32 state;		/* enum ebph_state */
	__u32 flags;		/* EBPH_PROFILE_* */
	__u64 calls;		/* trained on; pH: train_count */
	__u64 last_mod_calls;	/* .calls when the last pair was added */
	__u64 normal_due_ns;	/* CLOCK_BOOTTIME; frozen becomes normal then */
	__u64 normal_calls;	/* made while normal */
	__u64 anomalies;	/* calls with at least one unseen pair, while normal */
	__u64 stop_ns;		/* sum of the delays in .stops */
	__u32 stops;		/* delays served, or in dry-run that would have been */
	__u32 aborts;		/* execve failed by us, or in dry-run that would have been */
	__u32 normal_anomalies; /* since it became normal; compared with anomaly_limit */
	__u32 runs;		/* execs, and processes adopted while running */
	__u32 tasks;		/* live threads */
	__u32 words;		/* in the pair set */
	__u32 grow_blocks;	/* the size that the daemon was asked to enlarge last; 0: none */
	__u32 reports_since_s;	/* CLOCK_BOOTTIME; the second that .reports counts in */
	__u32 reports;		/* events about this profile in that second */
	__u32 forgets;	   /* how often pairs were taken from the set: grown sets are checked */
	__s64 last_run_ns; /* CLOCK_BOOTTIME of the last of .runs; before the boot: negative */
	__u32 answered;	   /* the window of the circuit breaker that it was counted in last */
	__u32 rule;	   /* key of the map `rules`; 0: as for all */
	__u32 drills;	   /* delays for nothing; outside of enforce those that would have been */
	__u32 pad;
};
EBPH_ASSERT_SIZE(struct ebph_profile, 144);

/*
 * Key of the heat of a profile's processes, which is kept by user: who can run a program must not
 * be able to have the others' processes delayed.
 */
struct ebph_heat_key {
	__u32 slot;
	__u32 uid; /* real user id */
};
EBPH_ASSERT_SIZE(struct ebph_heat_key, 8);

/* ---- settings -------------------------------------------------------------------------- */

enum ebph_mode {
	EBPH_MODE_MONITOR,
	EBPH_MODE_DRY_RUN,
	EBPH_MODE_ENFORCE,
	EBPH_MODE_IGNORE, /* of single programs: not followed at all */
};

/* How a delay grows with the recent anomalies, and which calls are delayed. */
enum ebph_curve { EBPH_CURVE_EXPONENTIAL, EBPH_CURVE_LINEAR };
enum ebph_delay_on { EBPH_DELAY_ON_FRAME, EBPH_DELAY_ON_ANOMALY };

/* What can be different for single programs. */
#define EBPH_RULE_FIELDS                                                                           \
	__u64 normal_wait_ns; /* frozen for so long: normal */                                     \
	__u64 delay_base_ns;                                                                       \
	__u64 max_delay_ns;	/* bounds every single delay */                                    \
	__u32 tolerance;	/* recent anomalies that cost nothing */                           \
	__u32 exec_abort_limit; /* recent anomalies at which every execve fails */                 \
	__u32 anomaly_limit;	/* anomalies of a normal profile beyond which it is doubted */     \
	__u32 tolerize_limit;	/* LFC beyond which nothing is kept for a later acceptance */      \
	__u32 delay_curve;	/* enum ebph_curve */                                              \
	__u32 delay_on;		/* enum ebph_delay_on */                                           \
	__u32 mode;		/* enum ebph_mode */                                               \
	__u32 allowed;		/* not 0: never delayed, never refused */                          \
	__u32 targets;		/* ebph_target.list of what it may execute; 0: there is none */    \
	__u32 rule_pad;

struct ebph_rule {
	EBPH_RULE_FIELDS
};
EBPH_ASSERT_SIZE(struct ebph_rule, 64);

#define EBPH_CALL_WORDS 32 /* a bit for each call id */

/* Value of the map `rules`, by ebph_profile.rule. Of 0 only the calls count: check_calls. */
struct ebph_ruling {
	struct ebph_rule rule;
	__u64 allowed_calls[EBPH_CALL_WORDS]; /* nobody is delayed or refused because of them */
};
EBPH_ASSERT_SIZE(struct ebph_ruling, 320);

#define EBPH_RULES_MAX 2048 /* different ones; during a reload the old ones are there, too */

/* Key of the map `targets`: a file that may be executed. */
struct ebph_target {
	__u64 ino;
	__s64 mtime_ns;	  /* since 1970 */
	__u32 dev;	  /* as in struct ebph_exe */
	__u32 generation; /* likewise; 0 if it is not known */
	__u32 known;	  /* not 0: it is; not all file systems say it to user space */
	__u32 list; /* whose it is: settings.targets_all or ebph_rule.targets; never used again */
};
EBPH_ASSERT_SIZE(struct ebph_target, 32);

#define EBPH_TARGETS_MAX   4096
#define EBPH_CGROUPS_MAX   1024
#define EBPH_CGROUP_LEVELS 32 /* below the root; whoever is deeper is looked at down to there */

/* What may change while the programs run. The daemon writes it through shared memory. */
struct ebph_settings {
	union {
		struct ebph_rule rule; /* of programs that have none of their own */
		struct {
			EBPH_RULE_FIELDS
		};
	};
	__u64 heartbeat_ns;	 /* CLOCK_MONOTONIC of the daemon's last sign of life */
	__u64 min_calls;	 /* of a profile, before it may freeze */
	__u64 heat_half_life_ns; /* 0: there is no heat */
	__u64 breaker_window_ns; /* in which breaker_limit counts */
	__u64 breaker_pause_ns;	 /* for which the breaker stays open */
	__u64 drill_until_ns;	 /* CLOCK_MONOTONIC; then a drill is over */
	__u64 drill_delay_ns;
	__u32 min_runs;
	__u32 normal_factor;
	__u32 normal_factor_den;
	__u32 self_tgid;     /* the daemon: not watched, never stopped */
	__u32 guardian_tgid; /* likewise */
	__u32 stand_down;    /* not 0: stop nobody, abort nothing, whatever the mode */
	__u32 auto_tolerize; /* not 0: a doubted profile goes back to training by itself */
	__u32 reports_per_s; /* events of one profile; what happens beyond is only counted */
	__u32 defer;	     /* not 0: the guards are attached */
	__u32 store;	     /* not 0: profiles are kept; new ones begin with EBPH_STATE_LOADING */
	__u32 generation;    /* grows when a profile loses pairs: windows are verified anew */
	__u32 breaker_limit; /* executables answered beyond which the breaker opens; 0: never */
	__u32 listed_only;   /* not 0: who has no rule of his own is not followed */
	__u32 check_users;   /* not 0: there is something in the map `allowed_users` */
	__u32 check_calls;   /* not 0: there are calls that all programs are allowed */
	__u32 check_cgroups; /* not 0: there is something in the map `allowed_cgroups` */
	__u32 targets_all;   /* ebph_target.list of what all may execute; 0: there is none */
	__u32 drill_one_in;  /* of so many calls of a drilled profile one is delayed; 0: none */
	__u32 ending; /* not 0: the daemon detaches the programs; nothing is judged any more */
	__u32 pad;
};
EBPH_ASSERT_SIZE(struct ebph_settings, 200);

#define EBPH_REPORTS_PER_SECOND 64 /* settings.reports_per_s, as the daemon sets it */

/* A daemon silent for longer than this could not release anybody: BPF stops nobody then. */
#define EBPH_HEARTBEAT_LIMIT_NS 2000000000ull

/*
 * The circuit breaker: when too many executables are answered within a window, something is wrong
 * with us. Written by the programs, which need nobody to open it; the daemon tells of it.
 */
struct ebph_breaker {
	__u64 begin;	     /* number of the window << 32 | .answered when it began */
	__u64 open_until_ns; /* CLOCK_MONOTONIC; 0: it was never open */
	__u64 openings;
	__u32 answered; /* executables, each once in a window */
	__u32 pad;
};
EBPH_ASSERT_SIZE(struct ebph_breaker, 32);

/* ---- whom we stopped ------------------------------------------------------------------- */

/*
 * Value of the pinned map `delayed`, keyed by tgid: what a dying or restarted daemon needs in
 * order to release everyone.
 */
struct ebph_delay {
	__u64 start_ns; /* CLOCK_BOOTTIME when the process began: a tgid alone may be another's */
	__u64 due_ns;	/* CLOCK_MONOTONIC when it may go on; 0: it does; or EBPH_DUE_NOW */
	__u32 foreign;	/* signal by which somebody else has stopped it meanwhile; 0: nobody */
	__u32 released; /* not 0: it goes on already, the kernel has seen to that */
};
EBPH_ASSERT_SIZE(struct ebph_delay, 24);

/* The kernel's timer is continuing it at this moment, or finds that it cannot. */
#define EBPH_DUE_NOW 1ull

/* Argument and result of ebph_release. */
struct ebph_release {
	__u64 start_ns; /* of the process, as in its record */
	__u64 now_ns;	/* CLOCK_MONOTONIC */
	__u64 due_ns;	/* result: still to be waited for until then; 0: it may go on now */
	__u32 tgid;
	__u32 foreign;	/* result: of its record, as the next */
	__u32 released; /* with due_ns 0 */
	__u32 pad;
};
EBPH_ASSERT_SIZE(struct ebph_release, 40);

#define EBPH_OVERDUE_MAX 32

/* Arguments and result of ebph_overdue_find: who is on record as due then or before. */
struct ebph_overdue {
	__u64 before_ns; /* CLOCK_MONOTONIC */
	__u32 skip;	 /* so many of them are left out */
	__u32 passed;	 /* so many have been */
	struct ebph_delay delay[EBPH_OVERDUE_MAX];
	__u32 tgid[EBPH_OVERDUE_MAX];
	__u32 count; /* if it is EBPH_OVERDUE_MAX there may be more */
	__u32 pad;
};
EBPH_ASSERT_SIZE(struct ebph_overdue, 24 + 28 * EBPH_OVERDUE_MAX);

/* ---- threads ----------------------------------------------------------------------------- */

/* One thread that has a profile, as the walk over all of them writes it. */
struct ebph_thread {
	__u64 start_ns; /* CLOCK_BOOTTIME when its process began */
	__u32 pid;	/* thread group id */
	__u32 tid;
	__u32 slot;
	__u32 uid; /* real user id: whose heat counts */
	__u32 lfc;
	__u32 call; /* call id of its last call */
};
EBPH_ASSERT_SIZE(struct ebph_thread, 32);

/* Values of ebph_pardon, written by the daemon before a walk; others: a thread group id. */
#define EBPH_PARDON_NOBODY  0u
#define EBPH_PARDON_DELAYED 0xffffffffu /* everybody on record as delayed */

/* ---- events ---------------------------------------------------------------------------- */

enum ebph_event_type {
	EBPH_EVENT_PROFILE = 1, /* struct ebph_event_profile: an executable without a known path */
	EBPH_EVENT_STATE,	/* struct ebph_event_state */
	EBPH_EVENT_ANOMALY,	/* struct ebph_event_anomaly */
	EBPH_EVENT_STOP,	/* struct ebph_event_stop: in a ring of its own */
	EBPH_EVENT_ABORT,	/* struct ebph_event_abort */
	EBPH_EVENT_GROW,	/* struct ebph_event_grow */
	EBPH_EVENT_DOUBT,	/* struct ebph_event_doubt */
};

/* Every record begins with this; the type says what follows. */
struct ebph_event {
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__u32 type;    /* enum ebph_event_type */
	__u32 pid;     /* thread group id, as the host numbers it */
	__u32 tid;
	__u32 slot;
};
EBPH_ASSERT_SIZE(struct ebph_event, 24);

#define EBPH_PATH_HINT 256

struct ebph_event_profile {
	struct ebph_event event;
	struct ebph_exe exe;
	/*
	 * What execve was given. The caller chose it and it may name another file: to be checked
	 * against .exe before it is believed. Empty for processes adopted while running.
	 */
	char hint[EBPH_PATH_HINT];
};
EBPH_ASSERT_SIZE(struct ebph_event_profile, 48 + EBPH_PATH_HINT);

struct ebph_event_state {
	struct ebph_event event;
	__u32 before; /* enum ebph_state */
	__u32 after;
};
EBPH_ASSERT_SIZE(struct ebph_event_state, 32);

enum ebph_answer {
	EBPH_ANSWER_NONE,
	EBPH_ANSWER_STOP, /* bits: several may be given at once */
	EBPH_ANSWER_ABORT,
	EBPH_ANSWER_DEFER = 4, /* the stop comes before the call takes effect */
};

struct ebph_event_anomaly {
	struct ebph_event event;
	struct ebph_window window; /* with the anomalous call as the current one */
	__u64 delay_ns;		   /* decided, whether or not the mode lets it happen */
	__u32 unseen;		   /* bit d-1: the pair at distance d was unseen */
	__u32 lfc;		   /* of the thread, this anomaly included */
	__u32 heat;		   /* of the profile and user, this anomaly included */
	__u32 answer;		   /* enum ebph_answer, decided */
	__u32 mode;		   /* enum ebph_mode: only enforce carries the answer out */
	__u32 pad;
};
EBPH_ASSERT_SIZE(struct ebph_event_anomaly, 72);

/* The recent anomalies that the response goes by. */
#define ebph_recent(lfc, heat) ((lfc) > (heat) ? (lfc) : (heat))

struct ebph_event_stop {
	struct ebph_event event;
	struct ebph_delay delay;
	__u64 delay_ns;
	__u32 call; /* call id */
	__u32 recent;
	__u32 deferred; /* not 0: the call has not taken effect, and is made again afterwards */
	__u16 drill;	/* not 0: for nothing */
	__s16 error;	/* negative errno: the kernel refused the signal, the call went on; or 0 */
};
EBPH_ASSERT_SIZE(struct ebph_event_stop, 72);

struct ebph_event_abort {
	struct ebph_event event;
	__u32 call; /* call id */
	__u32 recent;
};
EBPH_ASSERT_SIZE(struct ebph_event_abort, 32);

/* A pair set fills up. Several may come before the first is answered: .blocks tells them apart. */
struct ebph_event_grow {
	struct ebph_event event;
	__u32 blocks; /* the size that is too small */
	__u32 pad;
};
EBPH_ASSERT_SIZE(struct ebph_event_grow, 32);

/* A normal profile has had more anomalies than settings.anomaly_limit: is it wrong? */
struct ebph_event_doubt {
	struct ebph_event event;
	__u32 anomalies; /* since it became normal */
	__u32 tolerized; /* not 0: it went back to training by itself */
};
EBPH_ASSERT_SIZE(struct ebph_event_doubt, 32);

/* ---- counters -------------------------------------------------------------------------- */

/*
 * Everything that can go wrong, by name. Anything that is not zero deserves a look; the text is
 * what the user reads.
 */
/* clang-format off */
#define EBPH_COUNTERS(X)                                                                           \
	X(NO_TASK_STATE, "no_task_state", "calls not seen: no memory for the thread's state")      \
	X(RESCUED, "rescued", "events that the kernel skipped, taken by a second program: not lost") \
	X(EXEC_LATE, "exec_late", "execs that the kernel skipped, noticed at the next call")           \
	X(LATE, "late", "calls that the kernel skipped, judged when they were about to act")       \
	X(NO_EXE, "no_exe", "programs not followed: the kernel names no executable")               \
	X(NO_SLOT, "no_slot", "calls not learned: no empty profile slot")                          \
	X(NO_SET, "no_set", "calls not learned: the profile's pair set is missing")                \
	X(PROFILE_NOT_STORED, "profile_not_stored", "profiles that did not fit in the map")        \
	X(SET_FULL, "set_full", "pairs not learned: their set is full, and so is the waiting room")    \
	X(FRAME_LOST, "frame_lost", "windows lost: signal handlers nested too deeply")             \
	X(EVENT_LOST, "event_lost", "events lost: the ring buffer was full")                       \
	X(EVENT_LIMITED, "event_limited", "events not sent: too many of one program in a second")  \
	X(STOP_UNRECORDED, "stop_unrecorded", "stops not made: no room to record them")            \
	X(STOP_FAILED, "stop_failed", "stops not made: the kernel refused the signal")             \
	X(STOP_STRAY, "stop_stray", "stops undone: released before they were made")               \
	X(STOP_NO_HEARTBEAT, "stop_no_heartbeat", "stops not made: the daemon was silent")         \
	X(STOP_EXEMPT, "stop_exempt", "stops not made: the process is being traced")               \
	X(CONTINUE_REFUSED, "continue_refused", "signals refused: SIGCONT to a delayed process")   \
	X(EXEMPT, "exempt", "calls not answered: the program is protected")                        \
	X(BREAKER, "breaker", "calls not answered: the circuit breaker was open")                  \
	X(ABORT_NO_HEARTBEAT, "abort_no_heartbeat", "execves not aborted: the daemon was silent")  \
	X(OVERRIDE_FAILED, "override_failed", "execves not aborted: the kernel refused")           \
	X(KILL_FAILED, "kill_failed", "execves not aborted: the kernel refused the signal")

enum ebph_counter {
#define EBPH_COUNTER_ENUM(name, text, help) EBPH_COUNT_##name,
	EBPH_COUNTERS(EBPH_COUNTER_ENUM)
#undef EBPH_COUNTER_ENUM
	EBPH_COUNTER_MAX,
};
/* clang-format on */

/* ---- pairs that found no room ------------------------------------------------------------ */

/*
 * Key of the map `late`, where pairs wait until their set has grown: a word's key with the slot in
 * bits that words leave free, and one of two rooms: while the daemon empties one, pairs go to the
 * other. The value is a word's two masks.
 */
#define EBPH_LATE_SLOT_SHIFT 43
#define ebph_late_key(slot, room, word_key)                                                        \
	((word_key) | (__u64)(slot) << EBPH_LATE_SLOT_SHIFT | (room))
#define ebph_late_slot(key) ((__u32)((key) >> EBPH_LATE_SLOT_SHIFT) & 0xfffffu)

/* ---- processes of ours ------------------------------------------------------------------ */

/* Who says so of itself by ebph_introduce. */
enum ebph_ours { EBPH_OURS_DAEMON, EBPH_OURS_GUARDIAN, EBPH_OURS_SAVER, EBPH_OURS_FINDER };

/* ---- commands to SEC("syscall") programs ----------------------------------------------- */

/* What an operator says of a profile. */
enum ebph_verb {
	/* It is normal from now on, with all that was seen, also what came after it was normal. */
	EBPH_VERB_NORMALIZE = 1,
	/* What was not yet accepted is forgotten: of a normal profile what came after it became
	 * normal; of another everything, and it learns anew. */
	EBPH_VERB_SENSITIZE,
	/* Back to training, and what came while it was normal is accepted. */
	EBPH_VERB_TOLERIZE,
	/* For the daemon: what does not belong to the profile was not seen; nothing else. */
	EBPH_VERB_REFUSE,
	/* For the daemon: from loading to training; what was seen meanwhile belongs to it. */
	EBPH_VERB_BEGIN,
	/* For the daemon: back to loading; what was seen does not belong to it so far. */
	EBPH_VERB_DOUBT,
	/* For the daemon: the slot loses its profile, nobody uses it any more. */
	EBPH_VERB_VACATE,
};

struct ebph_command {
	__u32 slot;
	__u32 verb; /* enum ebph_verb */
};
EBPH_ASSERT_SIZE(struct ebph_command, 8);

#define EBPH_MERGE_WORDS 64

/* Words to be united with the pair set of a slot, and what became of them. */
struct ebph_merge {
	__u32 slot;
	__u32 count; /* of .word, at most EBPH_MERGE_WORDS */
	__u32 full;  /* words that found no room */
	__u32 pad;
	__u64 word[EBPH_MERGE_WORDS];
};
EBPH_ASSERT_SIZE(struct ebph_merge, 16 + 8 * EBPH_MERGE_WORDS);

/* A block of the pair set of a slot, to be read. */
struct ebph_reading {
	__u32 slot;
	__u32 block;
	__u64 word[EBPH_BLOCK_WORDS];
};
EBPH_ASSERT_SIZE(struct ebph_reading, 8 + 8 * EBPH_BLOCK_WORDS);

/* Of seats for threads' states (seat.h) there are 2^9 pairs, 0.8 MB, to 2^12, 6 MB. */
#define EBPH_SEAT_PAIRS_MIN_BITS 9
#define EBPH_SEAT_PAIRS_MAX_BITS 12

#endif
