// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server that whoever talks to it can take over: a request is one byte that says how long it is,
 * and then a text that is copied over whatever it does not fit into. For the tests only.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vulnerable.h"

static void serve(void)
{
	if (write(STDOUT_FILENO, "served\n", 7) != 7)
		_exit(1);
}

int main(void)
{
	unsigned char request[256];
	struct room *room;

	room = mmap(ROOM, sizeof(*room), PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (room == MAP_FAILED)
		return 1;
	while (read(STDIN_FILENO, request, sizeof(request)) > 0) {
		room->answer = serve;
		memcpy(room->text, request + 1, request[0]);
		room->answer();
	}
	return 0;
}
