// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: uring PLAIN|SQPOLL [x]
 * Hands three operations to io_uring that do nothing, one after the other, waiting for each; then,
 * with a second argument, one that opens a file. With SQPOLL a thread of the kernel takes them
 * from the queue. Ends with status 6 when an operation fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct io_uring_params params;
static struct io_uring_sqe *entries;
static struct io_uring_cqe *results;
static unsigned int *tail, *array, *mask, *head_done, *tail_done, *mask_done;
static int ring;

static void setup(unsigned int flags)
{
	char *queue, *done;

	params.flags = flags;
	params.sq_thread_idle = 10000;
	ring = (int)syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0)
		_exit(3);
	queue = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	done = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	entries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (queue == MAP_FAILED || done == MAP_FAILED || entries == MAP_FAILED)
		_exit(4);
	tail = (unsigned int *)(queue + params.sq_off.tail);
	mask = (unsigned int *)(queue + params.sq_off.ring_mask);
	array = (unsigned int *)(queue + params.sq_off.array);
	head_done = (unsigned int *)(done + params.cq_off.head);
	tail_done = (unsigned int *)(done + params.cq_off.tail);
	mask_done = (unsigned int *)(done + params.cq_off.ring_mask);
	results = (struct io_uring_cqe *)(done + params.cq_off.cqes);
}

static void operation(int opcode, const char *path)
{
	unsigned int polled = params.flags & IORING_SETUP_SQPOLL, at = *tail & *mask;
	unsigned int submit;

	memset(&entries[at], 0, sizeof(entries[at]));
	entries[at].opcode = (unsigned char)opcode;
	entries[at].fd = AT_FDCWD;
	entries[at].addr = (unsigned long)path;
	array[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	/* One call that submits (or wakes who does) and waits: the same each time. */
	submit = polled ? 0 : 1;
	do {
		/* A delay interrupts the wait: such calls are not made again by the kernel. */
		if (syscall(SYS_io_uring_enter, ring, submit, 1,
			    IORING_ENTER_GETEVENTS | (polled ? IORING_ENTER_SQ_WAKEUP : 0), NULL,
			    0) < 0 &&
		    errno != EINTR)
			_exit(5);
		submit = 0;
	} while (__atomic_load_n(tail_done, __ATOMIC_ACQUIRE) == *head_done);
	if (results[*head_done & *mask_done].res < 0)
		_exit(6);
	__atomic_store_n(head_done, *head_done + 1, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	setup(strcmp(argv[1], "SQPOLL") ? 0 : IORING_SETUP_SQPOLL);
	for (int i = 0; i < 3; i++)
		operation(IORING_OP_NOP, NULL);
	if (argc > 2)
		operation(IORING_OP_OPENAT, "/dev/null");
	return 0;
}
