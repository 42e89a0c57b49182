// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands of ebphctl, in one table, and its command line. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

const struct command commands[] = {
	{"status", "", 0, 0, "how ebphd is, and what it has done", command_status, {{0}}},
	{"ps",
	 "",
	 0,
	 0,
	 "processes: profile, state, recent anomalies, how long they still wait",
	 command_ps,
	 {{"threads", 't', NULL, "each thread"},
	  {"delayed", 'd', NULL, "only those that are delayed"},
	  {"hot", 0, NULL, "only those with recent anomalies"}}},
	{"explain",
	 "PID|PROFILE|event:NUMBER",
	 1,
	 1,
	 "why a process is delayed, what was unusual about a program, or why there was an event",
	 command_explain,
	 {{0}}},
	{"release",
	 "[PID]",
	 0,
	 1,
	 "let a delayed process go on",
	 command_release,
	 {{"all", 'a', NULL, "all that are delayed"}}},
	{"profile list",
	 "",
	 0,
	 0,
	 "the profiles, in memory and on disk",
	 command_profiles,
	 {{"state", 0, "STATE", "only those that are training, frozen, normal or loading"}}},
	{"profile show",
	 "PROFILE",
	 1,
	 1,
	 "one profile",
	 command_show,
	 {{"pairs", 'p', NULL, "its pairs of calls, too"},
	  {"csv", 0, NULL, "its pairs alone, as comma-separated values"},
	  {"heatmap", 0, "FILE.svg", "its pairs as a picture"}}},
	{"profile diff",
	 "PROFILE PROFILE",
	 2,
	 2,
	 "pairs that only one of two has",
	 command_diff,
	 {{0}}},
	{"profile export",
	 "[PROFILE FILE]",
	 0,
	 2,
	 "write a profile to a file, for another host or for keeps; - for FILE: to the output",
	 command_export,
	 {{"all", 'a', "FOLDER", "all of them, each to a file of its own"}}},
	{"profile import",
	 "FILE|FOLDER...",
	 1,
	 CTL_MANY,
	 "take files in, each for the path that it names; what is known here is united with it",
	 command_import,
	 {{0}}},
	{"profile merge",
	 "PROFILE FILE",
	 2,
	 2,
	 "unite a profile with a file, whatever path that names",
	 command_merge,
	 {{0}}},
	{"profile normalize",
	 "[PROFILE]",
	 0,
	 1,
	 "it is normal from now on: what is new is an anomaly",
	 command_change,
	 {{"all", 'a', NULL, "all in memory that are not"}}},
	{"profile sensitize",
	 "PROFILE",
	 1,
	 1,
	 "forget what was seen and is not yet accepted",
	 command_change,
	 {{0}}},
	{"profile tolerize",
	 "PROFILE",
	 1,
	 1,
	 "back to training; what it did lately is accepted",
	 command_change,
	 {{0}}},
	{"profile reset", "PROFILE", 1, 1, "forget all, and learn anew", command_change, {{0}}},
	{"profile delete", "PROFILE", 1, 1, "remove it, from the disk too", command_change, {{0}}},
	{"events",
	 "",
	 0,
	 0,
	 "the latest events",
	 command_events,
	 {{"follow", 'f', NULL, "and those to come"},
	  {"name", 'n', "NAME[,NAME...]", "only these, such as anomaly or stop"},
	  {"path", 0, "PATH", "only those about this program"},
	  {"pid", 0, "PID", "only those about this process"}}},
	{"top",
	 "",
	 0,
	 0,
	 "a live view of who is delayed or behaves strangely",
	 command_top,
	 {{"interval", 'i', "SECONDS", "look so often (2)"}}},
	{"mode",
	 "[MODE]",
	 0,
	 1,
	 "monitor, dry-run or enforce, until the next reload; alone: which one it is",
	 command_mode,
	 {{0}}},
	{"set",
	 "SECTION.OPTION VALUE",
	 2,
	 2,
	 "change an option, until the next reload",
	 command_set,
	 {{0}}},
	{"reload", "", 0, 0, "read the configuration again", command_reload, {{0}}},
	{"support", "", 0, 0, "what the response can do on this kernel", command_support, {{0}}},
	{"completion", "", 0, 0, "a completion file for bash", command_completion, {{0}}},
	{"help", "[COMMAND]", 0, 2, "all commands, or one of them", command_help, {{0}}},
	{0},
};

const char *option_value(const struct ctl *ctl, const char *name)
{
	for (int i = 0; i < CTL_OPTIONS_MAX && ctl->command->options[i].name; i++)
		if (!strcmp(ctl->command->options[i].name, name))
			return ctl->values[i];
	abort(); /* not in the table above */
}

/* ---- the command line ------------------------------------------------------------------------ */

/* The command that the first words name, and how many words that is. */
static const struct command *command_find(char **words, int n, int *ret_used)
{
	char name[64];

	for (int used = n < 2 ? n : 2; used > 0; used--) {
		snprintf(name, sizeof(name), used == 2 ? "%s %s" : "%s", words[0],
			 used == 2 ? words[1] : "");
		for (const struct command *command = commands; command->name; command++) {
			if (strcmp(command->name, name) != 0)
				continue;
			*ret_used = used;
			return command;
		}
	}
	return NULL;
}

/* "--name", "--name=value" or "-n", at words[i]. Return: how many words more it took; -1. */
static int option_take(struct ctl *ctl, char **words, int n)
{
	const char *word = words[0], *equals = strchr(word, '=');
	size_t bytes = equals ? (size_t)(equals - word) : strlen(word);

	for (int i = 0; i < CTL_OPTIONS_MAX && ctl->command->options[i].name; i++) {
		const struct ctl_option *option = &ctl->command->options[i];
		bool is_long = !strncmp(word, "--", 2) && strlen(option->name) == bytes - 2 &&
			       !strncmp(option->name, word + 2, bytes - 2);

		if (!is_long && !(option->letter && word[1] == option->letter && !word[2]))
			continue;
		if (!option->value && equals)
			return -1;
		if (!option->value || equals) {
			ctl->values[i] = equals ? equals + 1 : "";
			return 0;
		}
		if (n < 2)
			return -1;
		ctl->values[i] = words[1];
		return 1;
	}
	return -1;
}

static int usage_error(const char *what, const char *word)
{
	fprintf(stderr, "ebphctl: %s%s (ebphctl help tells more)\n", what, word);
	return CTL_USAGE;
}

/* Those options that all commands have; they may stand anywhere. Return: words taken; 0: none. */
static int common_take(struct ctl *ctl, char **words, int n)
{
	if (!strcmp(words[0], "--json")) {
		ctl->json = true;
		return 1;
	}
	if (!strcmp(words[0], "--no-colour")) {
		ctl->colour = false;
		return 1;
	}
	if (strcmp(words[0], "--socket") != 0 || n < 2)
		return 0;
	ctl->socket = words[1];
	return 2;
}

/* Takes the options out of the words. Return: -1: to go on; else the exit status. */
static int options_parse(struct ctl *ctl, char **words, int n)
{
	bool only_words = false;

	for (int i = 0; i < n; i++) {
		int took;

		if (only_words || words[i][0] != '-' || !words[i][1]) {
			ctl->arguments[ctl->n_arguments++] = words[i];
			continue;
		}
		if (!strcmp(words[i], "--")) {
			only_words = true;
			continue;
		}
		if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h"))
			return command_help(ctl);
		took = option_take(ctl, words + i, n - i);
		if (took < 0)
			return usage_error("what is ", words[i]);
		i += took;
	}
	if (ctl->n_arguments < ctl->command->least)
		return usage_error("expected ", ctl->command->arguments);
	if (ctl->n_arguments > ctl->command->most)
		return usage_error("too much: ", ctl->arguments[ctl->command->most]);
	return -1;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {
		.socket = CTL_SOCKET,
		.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
	};
	int n = 0, used, took, r;

	for (int i = 1; i < argc; i += took ? took : 1) {
		took = common_take(&ctl, argv + i, argc - i);
		if (!took)
			argv[n++] = argv[i];
	}
	ctl.arguments = argv + argc; /* none so far */
	if (n && (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h")))
		return command_help(&ctl);
	if (n && !strcmp(argv[0], "--version")) {
		puts("ebphctl " EBPH_VERSION);
		return CTL_DONE;
	}
	ctl.command = command_find(argv, n, &used);
	if (!ctl.command)
		return usage_error(n ? "there is no command " : "which command?", n ? argv[0] : "");
	ctl.arguments = argv;
	signal(SIGPIPE, SIG_DFL);
	r = options_parse(&ctl, argv + used, n - used);
	r = r < 0 ? ctl.command->run(&ctl) : r;
	if (fflush(stdout) || ferror(stdout)) {
		perror("ebphctl: cannot write");
		return CTL_REFUSED;
	}
	return r;
}
