/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: what is refused, and in what words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_report.h"

#define X10  "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

/* clang-format off */
#define BAD(name, text, expected) {name, text, sizeof(text) - 1, expected}

/* One test for each row. */
static const struct bad {
	const char *name;
	const char *text;
	size_t len;
	const char *expected;
} bad[] = {
	BAD("line that inih would split, its tail is not read as a line",
	    "[log]\nevents = /" X100 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxxxmode = enforce\n",
	    "f:2:198: line too long: 213 bytes; expected at most 197\n"),
	BAD("line of one byte too much",
	    "[log]\n#\nevents = /" X100 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxx\n",
	    "f:3:198: line too long: 198 bytes; expected at most 197\n"),
	BAD("indented line", "[log]\nevents = /a\n  mode = enforce\n",
	    "f:3:1: indented line; expected it to begin in the first column\n"),
	BAD("line indented by a tab", "[log]\n\tevents = /a\n",
	    "f:2:1: indented line; expected it to begin in the first column\n"),
	BAD("indented section", " [log]\n",
	    "f:1:1: indented line; expected it to begin in the first column\n"),
	BAD("NUL byte", "[log]\nevents = /a\0b\n",
	    "f:2:12: NUL byte; expected plain text\n"),
	BAD("NUL byte in a comment", "#\0\n[log]\n",
	    "f:1:2: NUL byte; expected plain text\n"),
	BAD("control character", "[log]\nevents = /\x1b[31m\n",
	    "f:2:11: control character 0x1b; expected plain text\n"),
	BAD("carriage return within a line", "[log]\nevents = /a\rb\n",
	    "f:2:12: control character 0x0d; expected plain text\n"),
	BAD("unknown section like a known one, its options passed over",
	    "[respnse]\ntolerence = 5\n",
	    "f:1:2: unknown section [respnse]; did you mean [response]?\n"),
	BAD("unknown section like none", "[nginx]\n",
	    "f:1:2: unknown section [nginx]; "
	    "expected one of [enforcer] [detection] [response] [allow] [drill] [store] [log] [binary PATH]\n"),
	BAD("section without a name", "[]\n",
	    "f:1:2: unknown section []; "
	    "expected one of [enforcer] [detection] [response] [allow] [drill] [store] [log] [binary PATH]\n"),
	BAD("section whose name inih would cut", "[" X10 X10 X10 X10 X10 "]\n",
	    "f:1:2: name of the section too long: 50 bytes; expected at most 49\n"),
	BAD("section without bracket, its options passed over", "[log\nevents = x\n",
	    "f:1:5: no ']' after the name of the section\n"),
	BAD("option behind a section", "[enforcer] mode = enforce\n",
	    "f:1:12: text after a section; expected the end of the line\n"),
	BAD("comment behind a section", "[enforcer] # x\n",
	    "f:1:12: comment after a section; put it on a line of its own\n"),
	BAD("section twice", "[log]\n[store]\n[log]\nevents = x\n",
	    "f:3:2: section [log] was there before, in line 1; put its options there\n"
	    "f:4:10: events: 'x' does not begin with '/'; "
	    "expected an absolute path of at most 170 bytes, or nothing\n"),
	BAD("option before any section", "mode = enforce\n",
	    "f:1:1: option 'mode' before any section; "
	    "expected a line such as [enforcer] above\n"),
	BAD("unknown option like a known one", "[detection]\nnormal_factor_de = 5\n",
	    "f:2:1: unknown option 'normal_factor_de' in [detection]; "
	    "did you mean 'normal_factor_den'?\n"),
	BAD("option of another section", "[enforcer]\ntolerance = 5\n",
	    "f:2:1: unknown option 'tolerance' in [enforcer]; it belongs in [response]\n"),
	BAD("unknown option like none", "[enforcer]\nmo;d\xc3\xa9 = 5\n",
	    "f:2:1: unknown option 'mo;d\xc3\xa9' in [enforcer]; "
	    "ebph.conf.example lists all options\n"),
	BAD("option in capitals", "[log]\nEVENTS = /a\n",
	    "f:2:1: unknown option 'EVENTS' in [log]; ebph.conf.example lists all options\n"),
	BAD("option twice", "[store]\nmax_profiles = 20\n\nmax_profiles = 30\n",
	    "f:4:1: option 'max_profiles' was there before, in line 2; expected it once\n"),
	BAD("no equals sign", "[enforcer]\nmode enforce\n",
	    "f:2:5: no '='; expected NAME = VALUE\n"),
	BAD("colon", "[enforcer]\nmode : enforce\n",
	    "f:2:6: ':' after the name of an option; expected '='\n"),
	BAD("no name", "[enforcer]\n= enforce\n",
	    "f:2:1: no name before '='; expected NAME = VALUE\n"),
	BAD("no value", "[enforcer]\nmode =\n",
	    "f:2:7: mode: no value; expected one of monitor, dry-run, enforce\n"),
	BAD("semicolon comment behind a value", "[log]\nevents = /a ;b\n",
	    "f:2:13: comment after a value; put it on a line of its own\n"),
	BAD("hash comment behind a value", "[log]\nevents = /a\t# b\n",
	    "f:2:13: comment after a value; put it on a line of its own\n"),
	BAD("comment for a value", "[log]\nevents =#none\n",
	    "f:2:9: comment after a value; put it on a line of its own\n"),
	BAD("unknown mode", "[enforcer]\nmode = Enforce\n",
	    "f:2:8: mode: 'Enforce' is unknown; expected one of monitor, dry-run, enforce\n"),
	BAD("unknown upgrade", "[store]\non_upgrade = Fresh\n",
	    "f:2:14: on_upgrade: 'Fresh' is unknown; expected one of fresh, inherit\n"),
	BAD("name of another enum", "[store]\non_upgrade = monitor\n",
	    "f:2:14: on_upgrade: 'monitor' is unknown; expected one of fresh, inherit\n"),
	BAD("upgrade by number", "[store]\non_upgrade = 1\n",
	    "f:2:14: on_upgrade: '1' is unknown; expected one of fresh, inherit\n"),
	BAD("upgrade left out", "[store]\non_upgrade =\n",
	    "f:2:13: on_upgrade: no value; expected one of fresh, inherit\n"),
	BAD("neither yes nor no", "[enforcer]\nrequire = true\n",
	    "f:2:11: require: 'true' is neither; expected yes or no\n"),
	BAD("relative path", "[enforcer]\nbpf_dir = \"/b\"\n",
	    "f:2:11: bpf_dir: '\"/b\"' does not begin with '/'; "
	    "expected an absolute path of at most 170 bytes\n"),
	BAD("path left out where there must be one", "[enforcer]\nrun_dir =   \n",
	    "f:2:10: run_dir: no value; expected an absolute path of at most 80 bytes\n"),
	BAD("path too long", "[enforcer]\nrun_dir = /" X10 X10 X10 X10 X10 X10 X10 X10 "\n",
	    "f:2:11: run_dir: '/" X10 X10 X10 X10 X10 X10 X10 X10 "' is too long; "
	    "expected an absolute path of at most 80 bytes\n"),
	BAD("count too small", "[store]\nmax_profiles = 15\n",
	    "f:2:16: max_profiles: '15' is too small; expected a number from 16 to 65536\n"),
	BAD("count too large", "[response]\ntolerance = 1000001\n",
	    "f:2:13: tolerance: '1000001' is too large; expected a number from 0 to 1000000\n"),
	BAD("count that would wrap round to 16", "[store]\nmax_profiles = 18446744073709551632\n",
	    "f:2:16: max_profiles: '18446744073709551632' is too large; "
	    "expected a number from 16 to 65536\n"),
	BAD("count that would wrap round in 32 bits", "[store]\nmax_profiles = 4294967316\n",
	    "f:2:16: max_profiles: '4294967316' is too large; "
	    "expected a number from 16 to 65536\n"),
	BAD("negative count", "[response]\ntolerance = -1\n",
	    "f:2:13: tolerance: '-1' is not a whole number; expected a number from 0 to 1000000\n"),
	BAD("count with a tail", "[response]\ntolerance = 1 2\n",
	    "f:2:13: tolerance: '1 2' is not a whole number; expected a number from 0 to 1000000\n"),
	BAD("duration without a unit", "[detection]\nnormal_wait = 7\n",
	    "f:2:15: normal_wait: '7' has no unit, give one of ns, us, ms, s, min, h, d; "
	    "expected a duration from 0s to 365d\n"),
	BAD("duration with an unknown unit", "[detection]\nnormal_wait = 7m\n",
	    "f:2:15: normal_wait: '7m' has an unknown unit, give one of ns, us, ms, s, min, h, d; "
	    "expected a duration from 0s to 365d\n"),
	BAD("duration with a fraction", "[response]\ndelay_base = 1.5s\n",
	    "f:2:14: delay_base: '1.5s' has a fraction, write whole numbers with a smaller unit; "
	    "expected a duration from 1ms to 10s\n"),
	BAD("duration without a number", "[response]\ndelay_base = ms\n",
	    "f:2:14: delay_base: 'ms' is not a duration; expected a duration from 1ms to 10s\n"),
	BAD("duration too small", "[response]\ndelay_base = 999us\n",
	    "f:2:14: delay_base: '999us' is too small; expected a duration from 1ms to 10s\n"),
	BAD("duration too large", "[response]\nmax_delay = 61min\n",
	    "f:2:13: max_delay: '61min' is too large; expected a duration from 1ms to 1h\n"),
	BAD("duration that would wrap round to 1.3 s",
	    "[response]\ndelay_base = 18446744075s\n",
	    "f:2:14: delay_base: '18446744075s' is too large; "
	    "expected a duration from 1ms to 10s\n"),
	BAD("size with a unit of two letters", "[store]\nmemory_limit = 64MB\n",
	    "f:2:16: memory_limit: '64MB' has an unknown unit, "
	    "give one of K, M, G, or none for bytes; expected a size from 4M to 64G\n"),
	BAD("size with a small letter", "[store]\nmemory_limit = 64m\n",
	    "f:2:16: memory_limit: '64m' has an unknown unit, "
	    "give one of K, M, G, or none for bytes; expected a size from 4M to 64G\n"),
	BAD("size with a blank before the unit", "[store]\nmemory_limit = 64 M\n",
	    "f:2:16: memory_limit: '64 M' has an unknown unit, "
	    "give one of K, M, G, or none for bytes; expected a size from 4M to 64G\n"),
	BAD("size with a unit of duration", "[store]\nmemory_limit = 64min\n",
	    "f:2:16: memory_limit: '64min' has an unknown unit, "
	    "give one of K, M, G, or none for bytes; expected a size from 4M to 64G\n"),
	BAD("duration with a unit of size", "[detection]\nnormal_wait = 7M\n",
	    "f:2:15: normal_wait: '7M' has an unknown unit, give one of ns, us, ms, s, min, h, d; "
	    "expected a duration from 0s to 365d\n"),
	BAD("size with a fraction", "[store]\nmemory_limit = 1.5G\n",
	    "f:2:16: memory_limit: '1.5G' has a fraction, "
	    "write whole numbers with a smaller unit; expected a size from 4M to 64G\n"),
	BAD("size without a number", "[store]\nmemory_limit = M\n",
	    "f:2:16: memory_limit: 'M' is not a size; expected a size from 4M to 64G\n"),
	BAD("negative size", "[store]\nmemory_limit = -64M\n",
	    "f:2:16: memory_limit: '-64M' is not a size; expected a size from 4M to 64G\n"),
	BAD("size left out", "[store]\nmemory_limit =\n",
	    "f:2:15: memory_limit: no value; expected a size from 4M to 64G\n"),
	BAD("size of nothing", "[store]\nmemory_limit = 0\n",
	    "f:2:16: memory_limit: '0' is too small; expected a size from 4M to 64G\n"),
	BAD("size too small by a byte", "[store]\nmemory_limit = 4194303\n",
	    "f:2:16: memory_limit: '4194303' is too small; expected a size from 4M to 64G\n"),
	BAD("size too large by a byte", "[store]\nmemory_limit = 68719476737\n",
	    "f:2:16: memory_limit: '68719476737' is too large; expected a size from 4M to 64G\n"),
	BAD("size too large by a unit", "[store]\nmemory_limit = 65G\n",
	    "f:2:16: memory_limit: '65G' is too large; expected a size from 4M to 64G\n"),
	BAD("size that would wrap round to 64M", "[store]\nmemory_limit = 17592186044480M\n",
	    "f:2:16: memory_limit: '17592186044480M' is too large; "
	    "expected a size from 4M to 64G\n"),
	BAD("size in bytes that would wrap round to 64M",
	    "[store]\nmemory_limit = 18446744073776660480\n",
	    "f:2:16: memory_limit: '18446744073776660480' is too large; "
	    "expected a size from 4M to 64G\n"),
	BAD("directory of profiles that is relative", "[store]\nstate_dir = var/lib/ebph\n",
	    "f:2:13: state_dir: 'var/lib/ebph' does not begin with '/'; "
	    "expected an absolute path of at most 170 bytes, or nothing\n"),
	BAD("directory of profiles too long by a byte",
	    "[store]\nstate_dir = /" X100 X10 X10 X10 X10 X10 X10 X10 "\n",
	    "f:2:13: state_dir: '/" X100 X10 X10 X10 X10 X10 X10 X10 "' is too long; "
	    "expected an absolute path of at most 170 bytes, or nothing\n"),
	BAD("interval too small", "[store]\nsave_interval = 999999999ns\n",
	    "f:2:17: save_interval: '999999999ns' is too small; "
	    "expected a duration from 1s to 1d\n"),
	BAD("interval too large", "[store]\nsave_interval = 86400001ms\n",
	    "f:2:17: save_interval: '86400001ms' is too large; "
	    "expected a duration from 1s to 1d\n"),
	BAD("interval of nothing", "[store]\nsave_interval = 0\n",
	    "f:2:17: save_interval: '0' is too small; expected a duration from 1s to 1d\n"),
	BAD("too few profiles in memory and on disk", "[store]\nmax_profiles = 15\nmax_saved = 15\n",
	    "f:2:16: max_profiles: '15' is too small; expected a number from 16 to 65536\n"
	    "f:3:13: max_saved: '15' is too small; expected a number from 16 to 10000000\n"),
	BAD("too many profiles in memory and on disk",
	    "[store]\nmax_profiles = 65537\nmax_saved = 10000001\n",
	    "f:2:16: max_profiles: '65537' is too large; expected a number from 16 to 65536\n"
	    "f:3:13: max_saved: '10000001' is too large; expected a number from 16 to 10000000\n"),
	BAD("base above the greatest delay",
	    "[response]\nmax_delay = 5ms\ndelay_base = 6ms\n[log]\n",
	    "f:3:14: delay_base exceeds max_delay; lower it or raise the other\n"),
	BAD("greatest delay below the default base", "[response]\nmax_delay = 5ms\n",
	    "f:2:13: delay_base exceeds max_delay; lower it or raise the other\n"),
	BAD("system call that there is not", "[allow]\ncalls = read  wriet\n",
	    "f:2:15: calls: 'wriet' is no system call; expected names of system calls, with blanks between them\n"),
	BAD("commas between system calls", "[allow]\ncalls = read, write\n",
	    "f:2:9: calls: 'read,' is no system call; expected names of system calls, with blanks between them\n"),
	BAD("system call of no ABI", "[allow]\ncalls = x32:read\n",
	    "f:2:9: calls: 'x32:read' is no system call; expected names of system calls, with blanks between them\n"),
	BAD("user that there is not", "[allow]\nusers = root no-such-user\n",
	    "f:2:14: users: 'no-such-user' is no user in /etc/passwd; expected names or numbers of users, with blanks between them\n"),
	BAD("user whose number has a tail", "[allow]\nusers = 10x\n",
	    "f:2:9: users: '10x' is no number of a user; expected names or numbers of users, with blanks between them\n"),
	BAD("user whose number means nobody", "[allow]\nusers = 4294967295\n",
	    "f:2:9: users: '4294967295' is no number of a user; expected names or numbers of users, with blanks between them\n"),
	BAD("user whose number would wrap round to root", "[allow]\nusers = 18446744073709551616\n",
	    "f:2:9: users: '18446744073709551616' is no number of a user; expected names or numbers of users, with blanks between them\n"),
	BAD("executable that is relative", "[allow]\nexecutables = /a b\n",
	    "f:2:18: executables: 'b' does not begin with '/'; expected absolute paths or globs, with blanks between them\n"),
	BAD("executable that is a directory, by its name", "[allow]\nexec = /usr/bin/\n",
	    "f:2:8: exec: '/usr/bin/' ends in '/', give what is in there; expected absolute paths or globs, with blanks between them\n"),
	BAD("path that goes back", "[allow]\nexec = /usr/../bin/x\n",
	    "f:2:8: exec: '/usr/../bin/x' has an empty part, or '.' or '..' as part; expected absolute paths or globs, with blanks between them\n"),
	BAD("glob across directories", "[allow]\nexec = /opt/**/x\n",
	    "f:2:8: exec: '/opt/**/x' has '**', give one '*' for each directory; expected absolute paths or globs, with blanks between them\n"),
	BAD("glob that ends in the middle", "[allow]\nexec = /opt/x\\\n",
	    "f:2:8: exec: '/opt/x\\' ends in '\\', which takes its meaning from the next character; expected absolute paths or globs, with blanks between them\n"),
	BAD("control group that is neither path nor unit", "[allow]\ncgroups = ssh.service sshd\n",
	    "f:2:23: cgroups: 'sshd' is no unit that has a cgroup (NAME.service, NAME.slice, NAME.scope); expected paths or globs of cgroups, or systemd units, with blanks between them\n"),
	BAD("list emptied below its words", "[allow]\ncalls = read\ncalls =\n",
	    "f:3:1: option 'calls' was there before, in line 2; expected it once\n"),
	BAD("unknown scope", "[enforcer]\nscope = some\n",
	    "f:2:9: scope: 'some' is unknown; expected one of all, listed\n"),
	BAD("program without a path", "[binary]\nx = 1\n",
	    "f:1:8: no path; expected [binary PATH]\n"),
	BAD("program with blanks for a path", "[binary  ]\n",
	    "f:1:10: no path; expected [binary PATH]\n"),
	BAD("program by its name", "[binary nginx]\n",
	    "f:1:9: 'nginx' does not begin with '/'; expected [binary PATH] with an absolute path or glob\n"),
	BAD("program whose path is a directory", "[binary /opt/]\nmode = monitor\n",
	    "f:1:9: '/opt/' ends in '/', give what is in there; expected [binary PATH] with an absolute path or glob\n"),
	BAD("program whose path goes nowhere", "[binary /opt/./x]\n",
	    "f:1:9: '/opt/./x' has an empty part, or '.' or '..' as part; expected [binary PATH] with an absolute path or glob\n"),
	BAD("glob of a program across directories", "[binary /opt/**]\n",
	    "f:1:9: '/opt/**' has '**', give one '*' for each directory; expected [binary PATH] with an absolute path or glob\n"),
	BAD("comment behind a program", "[binary /a] # b\n",
	    "f:1:13: comment after a section; put it on a line of its own\n"),
	BAD("comment behind a program that has a bracket", "[binary /a] ;[b]\n",
	    "f:1:13: comment after a section; put it on a line of its own\n"),
	BAD("text behind a program", "[binary /a]b\n",
	    "f:1:12: text after a section; expected the end of the line\n"),
	BAD("program without bracket", "[binary /a\nmode = x\n",
	    "f:1:11: no ']' after the name of the section\n"),
	BAD("program twice", "[binary /a]\n[log]\n[binary  /a ]\nmode = x\n",
	    "f:3:10: section [binary /a] was there before, in line 1; put its options there\n"),
	BAD("option of a program twice", "[binary /a]\nmode = ignore\nmode = monitor\n",
	    "f:3:1: option 'mode' was there before, in line 2; expected it once\n"),
	BAD("option that single programs cannot have", "[binary /a]\nmax_saved = 20\n",
	    "f:2:1: unknown option 'max_saved' in [binary]; it belongs in [store]\n"),
	BAD("option of single programs for all", "[response]\nallow_calls = read\n",
	    "f:2:1: unknown option 'allow_calls' in [response]; it belongs in [binary PATH]\n"),
	BAD("misspelt option of a program", "[binary /a]\nallow_cals = read\n",
	    "f:2:1: unknown option 'allow_cals' in [binary]; did you mean 'allow_calls'?\n"),
	BAD("misspelt section of a program", "[binry]\n",
	    "f:1:2: unknown section [binry]; did you mean [binary PATH]?\n"),
	BAD("value of a program out of range", "[binary /a]\ntolerance = 1000001\n",
	    "f:2:13: tolerance: '1000001' is too large; expected a number from 0 to 1000000\n"),
	BAD("call of a program that there is not", "[binary /a]\nallow_calls = read nope\n",
	    "f:2:20: allow_calls: 'nope' is no system call; expected names of system calls, with blanks between them\n"),
	BAD("mode that is for single programs", "[enforcer]\nmode = ignore\n",
	    "f:2:8: mode: 'ignore' is unknown; expected one of monitor, dry-run, enforce\n"),
	BAD("base of a program above its greatest delay", "[binary /a]\nmax_delay = 2ms\ndelay_base = 3ms\n",
	    "f:3:14: delay_base exceeds max_delay; lower it or raise the other\n"),
	BAD("base of a program above the greatest delay for all", "[binary /a]\ndelay_base = 6s\n[response]\nmax_delay = 5s\n",
	    "f:4:13: delay_base exceeds max_delay; lower it or raise the other\n"),
	BAD("breaker that closes within its window",
	    "[response]\nbreaker_pause = 59s\n",
	    "f:2:17: breaker_pause is less than breaker_window; raise it or lower the other\n"),
	BAD("several errors in one go", "x = 1\n[enforcer]\nmode\nrequire = 2\n[foo]\n[log\n",
	    "f:1:1: option 'x' before any section; expected a line such as [enforcer] above\n"
	    "f:3:5: no '='; expected NAME = VALUE\n"
	    "f:4:11: require: '2' is neither; expected yes or no\n"
	    "f:5:2: unknown section [foo]; "
	    "expected one of [enforcer] [detection] [response] [allow] [drill] [store] [log] [binary PATH]\n"
	    "f:6:5: no ']' after the name of the section\n"),
};
/* clang-format on */

/* Leave out what shows the line itself. */
static void without_shown_lines(char *printed)
{
	char *to = printed;

	for (const char *line = printed; *line;) {
		const size_t len = strcspn(line, "\n") + 1;

		if (strncmp(line, "    ", 4) != 0) {
			memmove(to, line, len);
			to += len;
		}
		line += len;
	}
	*to = '\0';
}

static void refused(void **state)
{
	CONF_CLEANUP struct conf *conf = NULL;
	const struct bad *b = *state;
	int err;
	char *printed = report(b->text, b->len, &err, &conf);

	without_shown_lines(printed);
	assert_string_equal(printed, b->expected);
	assert_int_equal(err, -EINVAL);
	assert_null(conf);
	free(printed);
}

static void line_is_shown_with_a_mark_below_the_column(void **state)
{
	static const char text[] = "[log]\nevents = /\xc3\xa9\t#\n\x1b\x7f\na: b\n\x20x\n[";
	static const char shown[] =
		"f:2:14: comment after a value; put it on a line of its own\n"
		"    events = /\xc3\xa9\t#\n"
		"               \t^\n"
		"f:3:1: control character 0x1b; expected plain text\n"
		"    ??\n"
		"    ^\n"
		"f:4:2: ':' after the name of an option; expected '='\n"
		"    a: b\n"
		"     ^\n"
		"f:5:1: indented line; expected it to begin in the first column\n"
		"     x\n"
		"    ^\n"
		"f:6:2: no ']' after the name of the section\n"
		"    [\n"
		"     ^\n";
	CONF_CLEANUP struct conf *conf = NULL;
	int err;
	char *printed = report(text, sizeof(text) - 1, &err, &conf);

	(void)state;
	assert_string_equal(printed, shown);
	free(printed);
}

static void errors_beyond_the_limit_are_counted(void **state)
{
	struct conf_diag diag = {0};
	struct conf *conf = NULL;
	char text[3 * (CONF_DIAG_MAX + 5) + 1] = "", *printed = NULL;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i < CONF_DIAG_MAX + 5; i++)
		memcpy(text + 3 * i, "x=\n", 4);
	assert_int_equal(conf_parse("f", text, strlen(text), &conf, &diag), -EINVAL);
	assert_int_equal(diag.n_items, CONF_DIAG_MAX);
	assert_int_equal(diag.n_errors, CONF_DIAG_MAX + 5);
	assert_int_equal(diag.items[CONF_DIAG_MAX - 1].line, CONF_DIAG_MAX);
	conf_diag_print(&diag, out);
	fclose(out);
	assert_non_null(strstr(printed, "    x=\n    ^\n... and 5 more\n"));
	conf_diag_clear(&diag);
	assert_int_equal(diag.n_items, 0);
	free(printed);
}

int main(void)
{
	static const struct CMUnitTest singles[] = {
		cmocka_unit_test(line_is_shown_with_a_mark_below_the_column),
		cmocka_unit_test(errors_beyond_the_limit_are_counted),
	};
	enum { N_SINGLES = sizeof(singles) / sizeof(singles[0]) };
	enum { N_BAD = sizeof(bad) / sizeof(bad[0]) };
	struct CMUnitTest tests[N_SINGLES + N_BAD];

	memcpy(tests, singles, sizeof(singles));
	for (size_t i = 0; i < N_BAD; i++)
		tests[N_SINGLES + i] = (struct CMUnitTest){.name = bad[i].name,
							   .test_func = refused,
							   .initial_state = (void *)&bad[i]};
	return cmocka_run_group_tests_name("conf_bad", tests, NULL, NULL);
}
