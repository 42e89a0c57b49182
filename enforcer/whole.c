// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/whole.h"

#include <errno.h>
#include <unistd.h>

#include "enforcer/util.h"

int whole_read(int fd, size_t most, void **ret, size_t *ret_bytes)
{
	AUTO_FREE char *data = malloc(most + 1);
	size_t bytes = 0;
	ssize_t n;

	if (!data)
		return -ENOMEM;
	while ((n = read(fd, data + bytes, most + 1 - bytes)) > 0)
		bytes += (size_t)n;
	if (n < 0)
		return -errno;
	*ret = TAKE_PTR(data);
	*ret_bytes = bytes;
	return 0;
}
