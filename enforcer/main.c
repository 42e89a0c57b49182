// SPDX-License-Identifier: GPL-2.0-or-later
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include "conf/conf.h"
#include "enforcer/enforcer.h"
#include "enforcer/kernel.h"
#include "enforcer/log.h"
#include "enforcer/manage.h"
#include "enforcer/report.h"
#include "enforcer/util.h"

#define EXIT_USAGE 2

struct arguments {
	const char *config;
	const char *mode; /* NULL: as configured */
	enum abort_rung best_rung;
	bool foreground;
	bool check_config;
	bool dump_config;
	bool release;
	bool profiles;
	const char *explain, *import, *put_back;
};

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"mode", required_argument, NULL, 'm'},
	{"foreground", no_argument, NULL, 'f'},
	{"check-config", no_argument, NULL, 'C'},
	{"dump-config", no_argument, NULL, 'D'},
	{"explain", required_argument, NULL, 'e'},
	{"release", no_argument, NULL, 'r'},
	{"counters", no_argument, NULL, 'n'},
	{"best-rung", required_argument, NULL, 'b'},
	{"profiles", no_argument, NULL, 'p'},
	{"import", required_argument, NULL, 'i'},
	{"put-back", required_argument, NULL, 'u'},
	{"debug", no_argument, NULL, 'd'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static void usage(FILE *out)
{
	fputs("usage: ebphd [--config FILE] [--mode monitor|dry-run|enforce] [--foreground]\n"
	      "Keeps every program within the behaviour that it has shown before.\n"
	      "\n"
	      "  --config FILE   configuration (default: " CONF_PATH_DEFAULT ")\n"
	      "  --mode MODE     monitor, dry-run or enforce, instead of what FILE says\n"
	      "  --foreground    stay, and write to the terminal instead of syslog\n"
	      "  --check-config  say what is wrong with FILE, and do nothing else\n"
	      "  --dump-config   show the configuration in effect, and do nothing else\n"
	      "  --explain PATH  show what holds for the program at PATH, and which line decided "
	      "it\n"
	      "  --release       let everyone go whom a dead ebphd left stopped, and end\n"
	      "  --counters      explain the counters of everything that can go wrong\n"
	      "  --profiles      list the profiles on disk (while no ebphd runs, as the next two)\n"
	      "  --import FILE   take a profile from FILE, of another host for instance; where "
	      "the\n"
	      "                  program at its path has one, the two are united\n"
	      "  --put-back PATH let the program at PATH have the profile of its older version\n"
	      "  --best-rung R   refuse execves by bpf_override_return, fmod_ret, lsm, kill or "
	      "none,\n"
	      "                  and not by what comes before it in this list: to try things out\n"
	      "  --debug         say more, libbpf included\n"
	      "  --version, --help\n",
	      out);
}

/* Options that do nothing but to be noted. */
static const struct {
	int c;
	size_t offset; /* of a bool in struct arguments */
} flags[] = {
	{'f', offsetof(struct arguments, foreground)},
	{'C', offsetof(struct arguments, check_config)},
	{'D', offsetof(struct arguments, dump_config)},
	{'r', offsetof(struct arguments, release)},
	{'p', offsetof(struct arguments, profiles)},
};

static const struct {
	int c;
	size_t offset; /* of a const char * */
} texts[] = {
	{'c', offsetof(struct arguments, config)},   {'m', offsetof(struct arguments, mode)},
	{'e', offsetof(struct arguments, explain)},  {'i', offsetof(struct arguments, import)},
	{'u', offsetof(struct arguments, put_back)},
};

/* Return: was @c one of these? */
static bool argument_note(int c, struct arguments *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].c == c) {
			*(bool *)((char *)ret + flags[i].offset) = true;
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].c == c) {
			*(const char **)((char *)ret + texts[i].offset) = optarg;
			return true;
		}
	}
	return false;
}

/* Return: 0 to go on, 1 when all is done, -EINVAL. */
static int argument_do(int c, struct arguments *ret)
{
	switch (c) {
	case 'b':
		if (!abort_rung_from_name(optarg, &ret->best_rung))
			return 0;
		log_error("--best-rung %s: there is bpf_override_return, fmod_ret, lsm, kill and "
			  "none",
			  optarg);
		return -EINVAL;
	case 'd':
		log_set_debug(true);
		return 0;
	case 'n':
		counters_explain(stdout);
		return 1;
	case 'V':
		puts("ebphd " EBPH_VERSION);
		return 1;
	case 'h':
		usage(stdout);
		return 1;
	default:
		usage(stderr);
		return -EINVAL;
	}
}

/* As argument_do(). */
static int arguments_parse(int argc, char **argv, struct arguments *ret)
{
	int c, r;

	*ret = (struct arguments){.config = CONF_PATH_DEFAULT};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r = argument_note(c, ret) ? 0 : argument_do(c, ret);
		if (r)
			return r;
	}
	if (optind < argc) {
		log_error("what is \"%s\"? --help tells the options", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

/* A reload must find the file, too, and a daemon lies in "/". Return: on the heap; NULL: no memory.
 */
static char *path_absolute(const char *path)
{
	AUTO_FREE char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *absolute;

	if (!here)
		return strdup(path);
	return asprintf(&absolute, "%s/%s", here, path) < 0 ? NULL : absolute;
}

static int source_fill(const struct arguments *arguments, struct config_source *source)
{
	source->path = arguments->config;
	source->has_mode = arguments->mode;
	if (!arguments->mode || !conf_mode_from_name(arguments->mode, &source->mode))
		return 0;
	log_error("--mode %s: there is monitor, dry-run and enforce", arguments->mode);
	return -EINVAL;
}

static int config_read(const struct config_source *source, struct conf **ret)
{
	struct conf_diag diag = {0};
	int r = config_load(source, ret, &diag);

	conf_diag_print(&diag, stderr);
	conf_diag_clear(&diag);
	return r;
}

/* libbpf says much that only a developer understands. */
static int libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
	if (!log_debug_enabled() || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, format, args); /* many lines: the verifier's log among them */
}

/*
 * Goes to the background. The caller's process waits for the first byte on the pipe, which says
 * how the start went, so that the exit status of `ebphd` tells the truth.
 *
 * Return: in the background, the pipe's end to report to; in the foreground it does not return.
 */
static int background(void)
{
	int ends[2], null;
	unsigned char status = EXIT_FAILURE;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid) {
		close(ends[1]);
		/* Nothing comes when it died on the way: then the start has failed. */
		if (read(ends[0], &status, 1) != 1)
			status = EXIT_FAILURE;
		_exit(status);
	}
	close(ends[0]);
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (chdir("/") || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	return ends[1];
}

static void started(int status_fd)
{
	const unsigned char status = EXIT_SUCCESS;
	int null;

	if (status_fd < 0)
		return;
	log_open();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	if (write(status_fd, &status, 1) != 1)
		log_warn("who started us did not wait");
}

static int run(struct conf *conf, const struct config_source *read_from,
	       const struct arguments *arguments)
{
	AUTO_FREE char *path = path_absolute(read_from->path);
	struct config_source source = *read_from;
	struct enforcer *enforcer = NULL;
	AUTO_CLOSE int status_fd = -1;
	const char *reason;
	int r;

	if (!path)
		return -ENOMEM;
	source.path = path;
	r = kernel_check(&reason);
	if (r) {
		log_error("%s", reason);
		return r;
	}
	if (!arguments->foreground) {
		status_fd = background();
		if (status_fd < 0) {
			log_error("cannot go to the background: %s", strerror(-status_fd));
			return status_fd;
		}
	}
	r = enforcer_new(conf, &source, arguments->best_rung, &enforcer);
	if (!r)
		r = enforcer_start(enforcer, !arguments->foreground);
	if (!r) {
		started(status_fd);
		r = enforcer_loop(enforcer);
	}
	enforcer_free(enforcer);
	return r;
}

/* A program that is not there yet is named as it will be. */
static void explain(const struct conf *conf, const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);

	conf_explain(conf, real ? real : path, stdout);
}

int main(int argc, char **argv)
{
	CONF_CLEANUP struct conf *conf = NULL;
	struct config_source source = {0};
	struct arguments arguments;
	int r;

	setlinebuf(stderr);
	libbpf_set_print(libbpf_print);
	r = arguments_parse(argc, argv, &arguments);
	if (r)
		return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	if (source_fill(&arguments, &source))
		return EXIT_FAILURE;
	/* Releasing must not fail for want of a configuration. */
	if (config_read(&source, &conf) && (!arguments.release || conf_new_default(&conf)))
		return EXIT_FAILURE;
	if (arguments.dump_config)
		conf_dump(conf, true, stdout);
	if (arguments.explain)
		explain(conf, arguments.explain);
	if (arguments.check_config || arguments.dump_config || arguments.explain)
		return EXIT_SUCCESS;
	if (arguments.release)
		r = enforcer_release(conf);
	else if (arguments.profiles)
		r = profiles_list(conf, stdout);
	else if (arguments.import)
		r = profile_import(conf, arguments.import);
	else if (arguments.put_back)
		r = profile_put_back(conf, arguments.put_back);
	else
		r = run(conf, &source, &arguments);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
