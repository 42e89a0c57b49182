// SPDX-License-Identifier: GPL-2.0-or-later
/* Help and completion, from the table of commands. */
#include <string.h>

#include "ctl/ctl.h"

static void command_print(const struct command *command)
{
	printf("  %s%s%s\n      %s\n", command->name, *command->arguments ? " " : "",
	       command->arguments, command->help);
	for (int i = 0; i < CTL_OPTIONS_MAX && command->options[i].name; i++) {
		const struct ctl_option *option = &command->options[i];
		char left[64], letter[8] = "";

		if (option->letter)
			snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name,
			 option->value ? " " : "", option->value ? option->value : "");
		printf("      %-24s %s\n", left, option->help);
	}
}

int command_help(struct ctl *ctl)
{
	char wanted[64] = "";
	int printed = 0;

	if (ctl->command && strcmp(ctl->command->name, "help") != 0) {
		snprintf(wanted, sizeof(wanted), "%s", ctl->command->name);
	} else if (ctl->n_arguments) {
		snprintf(wanted, sizeof(wanted), ctl->n_arguments > 1 ? "%s %s" : "%s",
			 ctl->arguments[0], ctl->n_arguments > 1 ? ctl->arguments[1] : "");
	} else {
		puts("usage: ebphctl COMMAND [OPTION...]\n"
		     "Asks ebphd what it knows and why it acts, and tells it what to do.\n");
	}
	for (const struct command *command = commands; command->name; command++) {
		if (strncmp(command->name, wanted, strlen(wanted)) != 0)
			continue;
		command_print(command);
		printed++;
	}
	if (!printed) {
		fprintf(stderr, "ebphctl: there is no command %s\n", wanted);
		return CTL_USAGE;
	}
	puts("\nwith each: --json (for programs), --no-colour, --socket PATH (" CTL_SOCKET ")\n"
	     "A PROFILE is named by its path, by the last part of it, by id:12 or by pid:4711;\n"
	     "one that is on disk only by its file, too (file:NAME).\n"
	     "exit status: 0 done, 1 refused or failed, 2 wrong usage");
	return CTL_DONE;
}

/* The words that may follow @prefix, "" or "profile ", each once. */
static void words_print(const char *prefix)
{
	char last[64] = "";

	for (const struct command *command = commands; command->name; command++) {
		char word[64];

		if (strncmp(command->name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(word, sizeof(word), "%.*s",
			 (int)strcspn(command->name + strlen(prefix), " "),
			 command->name + strlen(prefix));
		if (strcmp(word, last) != 0)
			printf("%s%s", *last ? " " : "", word);
		snprintf(last, sizeof(last), "%s", word);
	}
}

int command_completion(struct ctl *ctl)
{
	(void)ctl;
	puts("# bash completion for ebphctl; made by `ebphctl completion`.\n"
	     "_ebphctl()\n"
	     "{\n"
	     "	local word=${COMP_WORDS[COMP_CWORD]} words=\n"
	     "	case $COMP_CWORD:${COMP_WORDS[1]}:${COMP_WORDS[2]} in");
	fputs("	1:*) words='", stdout);
	words_print("");
	fputs("' ;;\n	2:profile:*) words='", stdout);
	words_print("profile ");
	puts("' ;;\n"
	     "	2:mode:*) words='monitor dry-run enforce' ;;\n"
	     "	[3-9]:profile:import | 4:profile:export | 4:profile:merge)\n"
	     "		compopt -o filenames 2>/dev/null # bash quotes what others have named\n"
	     "		local IFS=$'\\n' -\n"
	     "		set -f\n"
	     "		# shellcheck disable=SC2207 # one a line\n"
	     "		COMPREPLY=($(compgen -f -- \"$word\"))\n"
	     "		return ;;\n"
	     /* Only such as no shell reads anything into: compgen expands what it is given. */
	     "	3:profile:*) words=$(ebphctl profile list --json 2>/dev/null |\n"
	     "		sed -n 's/.*\"path\":\"\\(\\/[[:alnum:]\\/._+@:,-]*\\)\".*/\\1/p') ;;");
	for (const struct command *command = commands; command->name; command++) {
		if (!command->options[0].name)
			continue;
		printf("	*:%.*s:%s*) words='", (int)strcspn(command->name, " "),
		       command->name,
		       strchr(command->name, ' ') ? strchr(command->name, ' ') + 1 : "");
		for (int i = 0; i < CTL_OPTIONS_MAX && command->options[i].name; i++)
			printf("--%s ", command->options[i].name);
		puts("--json' ;;");
	}
	puts("	*) words=--json ;;\n"
	     "	esac\n"
	     "	# shellcheck disable=SC2207 # a list of words\n"
	     "	COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	     "}\n"
	     "complete -F _ebphctl ebphctl");
	return CTL_DONE;
}
