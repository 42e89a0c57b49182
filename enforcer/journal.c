// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/journal.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

static void folders_make(const char *path)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", path);
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(folder, 0750); /* what fails here fails below, with a message */
		*slash = '/';
	}
}

int journal_open(struct journal *journal, const char *path)
{
	journal->fd = -1;
	journal->failed = 0;
	journal->torn = false;
	if (!path[0])
		return 0;
	folders_make(path);
	/* Not blocking, in case it is a pipe: who does not read must not hold the daemon up. */
	journal->fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		     0600);
	return journal->fd < 0 ? -errno : 0;
}

void journal_close(struct journal *journal)
{
	close_fd(&journal->fd);
}

void journal_write(struct journal *journal, json_t *object)
{
	AUTO_FREE char *text = NULL, *line = NULL;
	ssize_t written = -1;
	int n = -1;

	if ((journal->fd >= 0 || journal->on_line) && object)
		text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (journal->on_line && text)
		journal->on_line(journal->context, object, text);
	json_decref(object);
	if (journal->fd < 0)
		return;
	if (text)
		n = asprintf(&line, "%s%s\n", journal->torn ? "\n" : "", text);
	/* One write a line: lines of several writers never mix, and a full disk is seen at once. */
	if (n >= 0)
		written = write(journal->fd, line, (size_t)n);
	if (written == n && n >= 0) {
		journal->torn = false;
		return;
	}
	journal->torn |= written > 0; /* half a line: the next one must not go on in it */
	if (!journal->failed++)
		log_warn("cannot write to the event file: %s (said once)",
			 written < 0 ? strerror(errno) : "short write");
}
