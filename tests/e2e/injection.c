// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Code that a request has brought into a server (vulnerable.c). It runs, and makes system calls
 * that the server never made: when the process stands still, none of them has had its effect.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"
#include "tests/progs/vulnerable.h"

/* The code: it finds its data relative to itself, and ends its process with status 7. */
__asm__(".pushsection .rodata\n"
	"payload_write:\n" /* open("precious", O_WRONLY | O_APPEND), write(it, "precious", 8) */
	"	lea 1f(%rip), %rdi\n	mov $02001, %esi\n	mov $2, %eax\n	syscall\n"
	"	mov %eax, %edi\n	lea 1f(%rip), %rsi\n	mov $8, %edx\n	mov $1, %eax\n"
	"	syscall\n		jmp 9f\n"
	"1:	.asciz \"precious\"\n"
	"9:	mov $7, %edi\n		mov $231, %eax\n	syscall\n"
	"payload_write_end:\n"
	"payload_connect:\n" /* socket(AF_UNIX, SOCK_STREAM, 0), connect(it, "door") */
	"	mov $1, %edi\n		mov $1, %esi\n		xor %edx, %edx\n"
	"	mov $41, %eax\n		syscall\n"
	"	mov %eax, %edi\n	lea 2f(%rip), %rsi\n	mov $7, %edx\n	mov $42, %eax\n"
	"	syscall\n		jmp 9f\n"
	"2:	.word 1\n		.asciz \"door\"\n"
	"9:	mov $7, %edi\n		mov $231, %eax\n	syscall\n"
	"payload_connect_end:\n"
	"payload_shell:\n" /* execve("/bin/sh", {"/bin/sh", "-c", "echo>>precious"}, NULL) */
	"	pushq $0\n		lea 5f(%rip), %rax\n	push %rax\n"
	"	lea 4f(%rip), %rax\n	push %rax\n		lea 3f(%rip), %rdi\n"
	"	push %rdi\n		mov %rsp, %rsi\n	xor %edx, %edx\n"
	"	mov $59, %eax\n		syscall\n		jmp 9f\n"
	"3:	.asciz \"/bin/sh\"\n"
	"4:	.asciz \"-c\"\n"
	"5:	.asciz \"echo>>precious\"\n"
	"9:	mov $7, %edi\n		mov $231, %eax\n	syscall\n"
	"payload_shell_end:\n"
	".popsection\n");

extern const char payload_write[], payload_write_end[], payload_connect[], payload_connect_end[],
	payload_shell[], payload_shell_end[];

static char folder[96]; /* where the server works: with a file, "precious", and a socket, "door" */
static int door = -1;

static void folder_enter(void)
{
	if (chdir(folder))
		_exit(125);
}

static void folder_make(const char *name, const char *how)
{
	static char base[] = "/tmp/injection-XXXXXX";
	static const char *made;

	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[128];

	made = made ? made : mkdtemp(base);
	snprintf(folder, sizeof(folder), "%s/%s-%s", made, name, how);
	close(door);
	snprintf(path, sizeof(path), "%s/precious", folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/door", folder);
	REQUIRE(!mkdir(folder, 0700), "cannot make %s", folder);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	door = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	REQUIRE(!bind(door, (struct sockaddr *)&address, sizeof(address)) && !listen(door, 1),
		"no socket at %s", address.sun_path);
}

/* Nobody has written, and nobody has called. */
static bool all_is_well(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/precious", folder);
	return !stat(path, &st) && st.st_size == 0 && accept(door, NULL, NULL) < 0;
}

static void server_start(struct child *child, const char *path)
{
	const struct child_how how = {.wants_input = true, .prepare = folder_enter};

	child_start(child, (const char *const[]){path, NULL}, &how);
	for (int i = 0; i < 10; i++)
		child_ask(child, "\005hello\n");
}

/* An attack, and which calls of it are answered by a stop. */
struct attack {
	const char *name, *payload, *end;
	const char *calls[3];
};

static const struct attack attacks[] = {
	{"write", payload_write, payload_write_end, {"open", "write"}},
	{"connect", payload_connect, payload_connect_end, {"socket", "connect"}},
	{"shell", payload_shell, payload_shell_end, {"execve"}},
};

#define N_ATTACKS (sizeof(attacks) / sizeof(*attacks))

/* The request that takes the server over. */
static void attack_send(struct child *child, const struct attack *attack)
{
	struct room room = {};
	unsigned char request[1 + sizeof(room)] = {sizeof(room)};

	const size_t bytes = (size_t)(attack->end - attack->payload);

	REQUIRE(bytes <= TEXT_SIZE, "%zu bytes", bytes);
	memcpy(room.text, attack->payload, bytes);
	room.answer = ROOM;
	memcpy(request + 1, &room, sizeof(room));
	REQUIRE(write(child->in_fd, request, sizeof(request)) == sizeof(request), "not sent");
}

/* Without ebph it succeeds. */
static void attack_plainly(const char *path, const struct attack *attack)
{
	struct child child;

	folder_make(attack->name, "plain");
	server_start(&child, path);
	attack_send(&child, attack);
	child_wait(&child);
	CHECK(!all_is_well(), "%s: the attack itself fails", attack->name);
}

/* At each stop, nothing has happened; and then it is killed. */
static void attack_stopped(struct daemon *daemon, const char *path, const struct attack *attack)
{
	struct child child;
	int status;

	folder_make(attack->name, "stopped");
	server_start(&child, path);
	attack_send(&child, attack);
	for (const char *const *call = attack->calls; *call; call++) {
		REQUIRE(child_wait_stopped(&child), "%s: no stop at %s", attack->name, *call);
		CHECK(all_is_well(), "%s: done at %s", attack->name, *call);
		event_wait(daemon, "stop", "call", *call, NULL);
	}
	kill(child.pid, SIGKILL);
	status = child_wait(&child);
	CHECK(WIFSIGNALED(status), "%s: status %d", attack->name, status);
	CHECK(all_is_well(), "%s: done after all", attack->name);
}

/* A shell is not only late: it never comes. */
static void shell_refused(const char *path)
{
	struct child child;
	int status;

	folder_make("shell", "refused");
	server_start(&child, path);
	attack_send(&child, &attacks[N_ATTACKS - 1]);
	status = child_wait(&child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %d", status);
	CHECK(all_is_well(), "there was a shell");
}

static void injected(void)
{
	const struct daemon_conf conf = {
		.response = "deferral = yes\ndelay_base = 2s\nmax_delay = 2s\n"};
	const char *path = strdup(program_path(PROGRAM("vulnerable")));
	size_t n = N_ATTACKS;
	struct daemon daemon;
	struct child child;

	for (size_t i = 0; i < N_ATTACKS; i++)
		attack_plainly(path, &attacks[i]);
	daemon_start(&daemon, "enforce", &conf);
	while (!event_seen(&daemon, "state", path, "normal")) {
		server_start(&child, path);
		REQUIRE(child_wait(&child) == 0, "%s", child.output);
	}
	/* The last is the shell; there it is refused at once, and waits for nothing. */
	if (!strcmp(event_text(event_at(&daemon, "start", 0, 0), "abort_rung"),
		    "bpf_override_return"))
		n--;
	for (size_t i = 0; i < n; i++)
		attack_stopped(&daemon, path, &attacks[i]);
	shell_refused(path);
	daemon_stop(&daemon);
}

const struct test injection_tests[] = {
	{.name = "injection: no shell, no file, no connection", .run = injected, .is_once = true},
	{},
};
