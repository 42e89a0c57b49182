// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

void copies_make(struct copies *copies, const char *program, size_t n)
{
	AUTO_CLOSE int from = open(program, O_RDONLY | O_CLOEXEC);
	struct stat st = {};

	strcpy(copies->folder, "/dev/shm/ebph-bench.XXXXXX");
	copies->n = n;
	copies->paths = calloc(n, sizeof(*copies->paths));
	REQUIRE(from >= 0 && !fstat(from, &st), "%s: %s", program, strerror(errno));
	REQUIRE(copies->paths && mkdtemp(copies->folder), "%s: %s", copies->folder,
		strerror(errno));
	for (size_t i = 0; i < n; i++) {
		AUTO_CLOSE int to = -1;
		char *path = NULL;
		off_t offset = 0;

		REQUIRE(asprintf(&path, "%s/%zu", copies->folder, i) > 0, "no memory");
		copies->paths[i] = path;
		to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
		REQUIRE(to >= 0 && sendfile(to, from, &offset, (size_t)st.st_size) == st.st_size,
			"%s: %s", path, strerror(errno));
	}
}

void copies_remove(struct copies *copies)
{
	for (size_t i = 0; i < copies->n; i++) {
		unlink(copies->paths[i]);
		free((char *)copies->paths[i]);
	}
	free(copies->paths);
	rmdir(copies->folder);
}
