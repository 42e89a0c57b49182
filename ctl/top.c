// SPDX-License-Identifier: GPL-2.0-or-later
/* top: who is delayed or behaves strangely, live. What has not changed is not sent again: curses.
 */
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "enforcer/util.h"

#define INTERVAL_S     2
#define INTERVAL_MAX_S 3600
#define PATIENCE_S     2 /* for an ebphd that does not answer: q works then, too */
#define HEAD_LINES     4
#define PATH_COLUMN    59

/* What a row is sorted by, the largest first. */
static const struct {
	const char *name, *member;
} orders[] = {{"wait", "remaining_ms"}, {"LFC", "lfc"}, {"heat", "heat"}, {"pid", "pid"}};

struct view {
	struct ctl *ctl;
	json_t *status, *rows;
	size_t order;
	int interval_s;
	bool lost; /* ebphd does not answer */
};

static volatile sig_atomic_t ended_by;

static void on_signal(int signal)
{
	ended_by = signal;
}

/* ---- what is shown --------------------------------------------------------------------------- */

static bool rows_take(void *context, const json_t *part)
{
	json_array_extend(context, json_object_get(part, "processes"));
	return true;
}

/* Asks anew. Return: CTL_DONE; CTL_REFUSED, then what was there before is there still. */
static int view_ask(struct view *view)
{
	json_t *answer = NULL, *rows = json_array();
	int r = ctl_call(view->ctl, "Status", json_object(), &answer);

	if (!r)
		r = ctl_stream(view->ctl, "ListProcesses", json_pack("{s:b}", "hot", 1), rows_take,
			       rows);
	view->lost = r;
	if (!r) {
		json_decref(view->status);
		json_decref(view->rows);
		view->status = json_incref(json_object_get(answer, "status"));
		view->rows = json_incref(rows);
	}
	json_decref(answer);
	json_decref(rows);
	return r;
}

static const char *sorted_by;

static int row_compare(const void *left, const void *right)
{
	const json_t *const *a = left, *const *b = right;
	long long x = number_of(*a, sorted_by), y = number_of(*b, sorted_by);

	if (x == y) { /* in an order that stays */
		x = number_of(*b, "pid");
		y = number_of(*a, "pid");
	}
	return (x < y) - (x > y);
}

/* The rows in order, to be freed. Return: NULL: none. */
static const json_t **rows_sorted(const struct view *view)
{
	size_t n = json_array_size(view->rows);
	const json_t **rows = n ? calloc(n, sizeof(const json_t *)) : NULL;

	if (!rows)
		return NULL;
	for (size_t i = 0; i < n; i++)
		rows[i] = json_array_get(view->rows, i);
	sorted_by = orders[view->order].member;
	qsort(rows, n, sizeof(const json_t *), row_compare);
	return rows;
}

/* ---- the screen ------------------------------------------------------------------------------ */

/* A line, cut where the screen ends. */
__attribute__((format(printf, 3, 4))) static void line_put(int y, chtype look, const char *format,
							   ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = '?';
	attrset(look);
	move(y, 0);
	clrtoeol();
	addnstr(text, COLS);
	attrset(A_NORMAL);
}

/* The end of a path says more than its beginning. */
static const char *path_fit(const char *path, int columns)
{
	size_t n = strlen(path);

	if (columns < 1 || n <= (size_t)columns)
		return path;
	path += n - (size_t)columns;
	while ((*path & 0xc0) == 0x80) /* not into a character */
		path++;
	return path;
}

static void row_put(int y, const json_t *row)
{
	long long remaining = number_of(row, "remaining_ms");

	line_put(y, remaining ? A_BOLD : A_NORMAL, "%7lld %5lld %-8s %4lld %5lld %-13.13s %-10s %s",
		 number_of(row, "pid"), number_of(row, "uid"), text_of(row, "state"),
		 number_of(row, "lfc"), number_of(row, "heat"), text_of(row, "last_call"),
		 remaining ? time_text(remaining) : "-",
		 path_fit(text_of(row, "path"), COLS - PATH_COLUMN));
}

static void head_put(const struct view *view)
{
	const json_t *s = view->status;

	if (view->lost)
		line_put(0, A_REVERSE, "ebphd does not answer, trying again: %s", ctl_trouble());
	else
		line_put(0, A_BOLD, "ebphd %s: %s; up %s", text_of(s, "mode"), text_of(s, "health"),
			 time_text(number_of(s, "uptime_ms")));
	line_put(1, A_NORMAL,
		 "delayed: %lld; %lld delays so far, %s in all; %lld anomalies, %lld refusals",
		 number_of(s, "delayed"), number_of(s, "delays"),
		 time_text(number_of(s, "delays_ms")), number_of(s, "anomalies"),
		 number_of(s, "aborts"));
	line_put(2, A_NORMAL, "profiles: %lld training, %lld frozen, %lld normal, %lld loading",
		 number_of(s, "profiles_training"), number_of(s, "profiles_frozen"),
		 number_of(s, "profiles_normal"), number_of(s, "profiles_loading"));
	line_put(3, A_REVERSE, "%7s %5s %-8s %4s %5s %-13s %-10s %-*s", "PID", "UID", "STATE",
		 "LFC", "HEAT", "LAST CALL", "WAITS", COLS > PATH_COLUMN ? COLS - PATH_COLUMN : 0,
		 "PROGRAM");
}

static void view_draw(const struct view *view)
{
	/* Of a daemon that is gone nobody knows anything. */
	const json_t **rows = view->lost ? NULL : rows_sorted(view);
	size_t n = rows ? json_array_size(view->rows) : 0;
	int last = LINES - 1;

	head_put(view);
	for (int y = HEAD_LINES; y < last; y++) {
		size_t i = (size_t)(y - HEAD_LINES);

		if (i < n)
			row_put(y, rows[i]);
		else
			line_put(y, A_NORMAL, "%s",
				 i || view->lost ? "" : "nobody is delayed or behaves strangely");
	}
	line_put(last, A_REVERSE, "q quit  s sort by (%s)  every %d s  %zu process%s",
		 orders[view->order].name, view->interval_s, n, n == 1 ? "" : "es");
	move(last, 0);
	refresh();
	free(rows);
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Waits for the next look, or a key. Return: false: that was it. */
static bool key_take(struct view *view)
{
	int key = getch();

	switch (key) {
	case 'q':
		return false;
	case 's':
		view->order = (view->order + 1) % ARRAY_SIZE(orders);
		return true;
	case 12: /* Ctrl-L */
		clearok(curscr, TRUE);
		return true;
	default:
		/* ERR: the time is over; or the terminal has another size now, or is gone. */
		if (key == ERR && !isatty(STDIN_FILENO))
			return false;
		return !ended_by;
	}
}

static void view_run(struct view *view)
{
	do {
		view_ask(view);
		view_draw(view);
	} while (!ended_by && key_take(view));
}

/* Whoever ends us finds the terminal as it was. */
static void signals_set(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	const struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

static int interval_read(const char *text, int *ret)
{
	char *end;
	long seconds = text ? strtol(text, &end, 10) : INTERVAL_S;

	if (text && (*end || end == text || seconds < 1 || seconds > INTERVAL_MAX_S))
		return -1;
	*ret = (int)seconds;
	return 0;
}

static int refuse(const char *why)
{
	fprintf(stderr, "ebphctl: %s\n", why);
	return CTL_USAGE;
}

int command_top(struct ctl *ctl)
{
	struct view view = {.ctl = ctl};
	SCREEN *screen;
	int r;

	if (interval_read(option_value(ctl, "interval"), &view.interval_s))
		return refuse("an interval is 1 to 3600 seconds");
	if (ctl->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return refuse("top is for a terminal; ps --hot --json is for programs");
	ctl->patience_s = PATIENCE_S;
	r = view_ask(&view); /* why not is said while the screen is not ours */
	if (r)
		return r;
	ctl->quiet = true;
	setlocale(LC_CTYPE, "");
	signals_set();
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return refuse("TERM names no terminal that is known here");
	cbreak();
	noecho();
	timeout(view.interval_s * 1000);
	view_run(&view);
	endwin();
	delscreen(screen);
	json_decref(view.status);
	json_decref(view.rows);
	if (ended_by) {
		signal(ended_by, SIG_DFL);
		raise(ended_by);
	}
	return CTL_DONE;
}
