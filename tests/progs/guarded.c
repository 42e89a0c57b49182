// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: guarded CALL VICTIM
 * Prepares many things in the current folder, makes one CALL of guarded_calls.h that changes
 * something there or elsewhere, or none that is there ("none"), says what it returned, and ends
 * with its input. VICTIM is a process that this may happen to; its pid also names what is shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/kexec.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "guarded_calls.h"

#define S(name, ...)	     syscall(SYS_##name, ##__VA_ARGS__)
#define MADE(result)	     ((result) < 0 ? -1L : 0L)
#define IA32(nr, a, b, c, d) int80(nr, (long)(a), (long)(b), (long)(c), (long)(d), -1L)
#define EXCLUSIVE	     (O_CREAT | O_EXCL | O_WRONLY)
#define PRIVATE		     (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
#define MARK		     "trusted.mark"
#define KEPT		     "trusted.kept"
#define NAMED(text)                                                                                \
	{                                                                                          \
		.sun_family = AF_UNIX, .sun_path = text                                            \
	}

/* ---- what the calls are given ------------------------------------------------------------ */

static const struct iovec in = {BUFFER, 4};
static const struct iovec out = {"more", 4};
static const struct open_how how = {.flags = EXCLUSIVE, .mode = 0600};
static struct {
	struct file_handle head;
	unsigned char bytes[MAX_HANDLE_SZ];
} handle = {.head.handle_bytes = MAX_HANDLE_SZ};

static const struct {
	const char *bytes;
	unsigned int size, flags;
} value = {"x", 1, 0};
static const struct utimbuf seconds[] = {{NEW_ID, NEW_ID}};
static const long times[4] = {NEW_ID, 0, NEW_ID, 0}; /* two timevals, or two timespecs */
static const struct timezone zone = {.tz_dsttime = 1};
static struct timespec then;

static const struct sockaddr_un own = NAMED("own"), mine = NAMED("mine"), door = NAMED("door"),
				waiting = NAMED("waiting");
static struct sockaddr_un peer = NAMED("peer");
static const int one = 1, priority = NEW_ID - 1;
static int ends[2], socket_words[3] = {AF_UNIX, SOCK_STREAM, 0};
#define MESSAGE(vector, to, bytes)                                                                 \
	{                                                                                          \
		.msg_hdr = {                                                                       \
			.msg_name = to,                                                            \
			.msg_namelen = bytes,                                                      \
			.msg_iov = (struct iovec *)(vector),                                       \
			.msg_iovlen = 1                                                            \
		}                                                                                  \
	}
static struct mmsghdr to_peer[2] = {MESSAGE(&out, &peer, sizeof(peer)),
				    MESSAGE(&out, &peer, sizeof(peer))};
static struct mmsghdr from_pair = MESSAGE(&in, NULL, 0);
/* The same with words of 32 bits: struct compat_msghdr of include/net/compat.h, and its length. */
static const uint32_t in_32[] = {0x20000000 /* BUFFER */, 4};
static uint32_t from_pair_32[8];

static struct flock whole = {.l_type = F_WRLCK};
static const unsigned int group = NEW_ID;
static struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
static const struct __user_cap_data_struct powers[2];
static const struct rlimit limit = {NEW_ID, NEW_ID};
static siginfo_t queued = {.si_code = SI_QUEUE};
static const struct clone_args fork_like = {.exit_signal = SIGCHLD};
static const union bpf_attr map = {
	.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
static const struct perf_event_attr clock_event = {
	.type = PERF_TYPE_SOFTWARE, .size = sizeof(clock_event), .config = PERF_COUNT_SW_CPU_CLOCK};

static pid_t victim;
static int memory, queue, semaphore;
static char old_queue[16], new_queue[16];
/* All that are there at once have to be small enough for RLIMIT_MSGQUEUE. */
static const struct mq_attr small = {.mq_maxmsg = 1, .mq_msgsize = 1};
static aio_context_t requests;
static struct iocb write_more = {.aio_lio_opcode = IOCB_CMD_PWRITE,
				 .aio_fildes = FD_FILE,
				 .aio_buf = (uintptr_t) "more",
				 .aio_nbytes = 4,
				 .aio_offset = 4};
static struct iocb *append = &write_more;
static const struct {
	long type;
	char text[4];
} message = {1, "mess"};
static struct sembuf raise_one = {.sem_op = 1};

/* ---- ways to call ------------------------------------------------------------------------ */

/* The child of a call that makes one ends at once. */
static long parent(long pid)
{
	if (!pid)
		_exit(0);
	return MADE(pid);
}

static long vfork_once(void)
{
	pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): it is tested */

	if (!pid)
		_exit(0);
	return MADE(pid);
}

/* All that is pointed to lies below 4 GB: this program is linked to fixed addresses. */
static long int80(long nr, long a, long b, long c, long d, long e)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	if (result >= 0 || result < -4095)
		return result;
	errno = -result;
	return -1;
}

#define MAKE(word, call, effect, n, expression)                                                    \
	static long make_##word(void)                                                              \
	{                                                                                          \
		return (long)(expression);                                                         \
	}
GUARDED_CALLS(MAKE)

static long make(const char *name)
{
#define ROW(word, call, effect, n, expression) {#word, make_##word},
	static const struct {
		const char *name;
		long (*make)(void);
	} rows[] = {GUARDED_CALLS(ROW)};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcmp(name, rows[i].name))
			return rows[i].make();
	return 0;
}

/* ---- what is there before ---------------------------------------------------------------- */

/* The numbers below @at stay free. */
static void keep(int fd, int at)
{
	dup2(fd, at);
	close(fd);
}

static void file_make(const char *name, const char *text, int at)
{
	int fd = open(name, O_CREAT | O_RDWR, 0600);

	if (write(fd, text, 4) != 4)
		_exit(3);
	keep(fd, at);
}

static void files_prepare(void)
{
	int mount_id;

	file_make("file", "text", FD_FILE);
	file_make("other", "data", FD_OTHER);
	lseek(FD_OTHER, 0, SEEK_SET);
	file_make("rubbish", "rubb", FD_RUBBISH);
	keep(open("rubbish", O_RDONLY), FD_RUBBISH);
	setxattr("file", KEPT, "x", 1, 0);
	if (mkdir("folder", 0700) || mkdir("empty", 0700))
		_exit(3);
	keep(open("folder/marker", O_CREAT | O_WRONLY, 0600), FD_FOLDER);
	keep(open("folder", O_RDONLY | O_DIRECTORY), FD_FOLDER);
	S(name_to_handle_at, AT_FDCWD, "file", &handle, &mount_id, 0);
	keep((int)S(open_tree, AT_FDCWD, "folder", OPEN_TREE_CLONE), FD_TREE);
	if (pipe(ends) || write(ends[1], "data", 4) != 4)
		_exit(3);
	keep(ends[0], FD_PIPE);
	close(ends[1]);
}

static void named_socket(const struct sockaddr_un *name, int at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (bind(fd, (const struct sockaddr *)name, sizeof(*name)))
		_exit(3);
	keep(fd, at);
}

static void sockets_prepare(void)
{
	keep(socket(AF_UNIX, SOCK_DGRAM, 0), FD_DATAGRAM);
	named_socket(&waiting, FD_WAITING);
	named_socket(&mine, FD_LISTENER);
	/* The caller in its queue may go away again: it stays there until it is accepted. */
	keep(socket(AF_UNIX, SOCK_STREAM, 0), FD_CALLER);
	if (listen(FD_LISTENER, 1) || connect(FD_CALLER, (const void *)&mine, sizeof(mine)))
		_exit(3);
	keep(socket(AF_UNIX, SOCK_STREAM, 0), FD_CALLER);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) || send(ends[0], "data", 4, 0) != 4)
		_exit(3);
	keep(ends[0], FD_PAIR);
	keep(ends[1], FD_PAIR_OTHER_END);
}

static void others_prepare(void)
{
	if (mmap(BUFFER, PAGE, PROT_READ | PROT_WRITE, PRIVATE, -1, 0) == MAP_FAILED ||
	    mmap(AREA, PAGE, PROT_READ | PROT_WRITE, PRIVATE, -1, 0) == MAP_FAILED)
		_exit(3);
	memory = shmget(victim, (size_t)PAGE, IPC_CREAT | 0600);
	queue = msgget(victim, IPC_CREAT | 0600);
	semaphore = semget(victim, 1, IPC_CREAT | 0600);
	snprintf(old_queue, sizeof(old_queue), OLD_QUEUE "%d", victim);
	snprintf(new_queue, sizeof(new_queue), NEW_QUEUE "%d", victim);
	keep((int)S(mq_open, old_queue, O_CREAT | O_RDONLY, 0600, &small), FD_QUEUE);
	S(io_setup, 1, &requests);
	from_pair_32[2] = (uint32_t)(uintptr_t)in_32;
	from_pair_32[3] = 1;
	queued.si_signo = VICTIM_SIGNAL;
	keep((int)S(pidfd_open, victim, 0), FD_VICTIM);
	clock_gettime(CLOCK_REALTIME, &then);
	then.tv_sec += 3600;
}

int main(int argc, char **argv)
{
	char line[64];
	long result;
	int n;

	if (argc < 3)
		return 2;
	victim = atoi(argv[2]);
	files_prepare();
	sockets_prepare();
	others_prepare();
	S(sched_yield); /* never made elsewhere, so that no call but getppid is usual after it */
	result = make(argv[1]);
	S(getppid); /* or a write would be usual there */
	n = snprintf(line, sizeof(line), "%ld %s\n", result, result < 0 ? strerror(errno) : "good");
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		return 1;
	return read(STDIN_FILENO, line, 1) != 0;
}
