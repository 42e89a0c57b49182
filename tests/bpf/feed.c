// SPDX-License-Identifier: GPL-2.0-or-later
/* The rig itself: calls that are fed arrive in the window, under the right ids. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/bpf/rig.h"
#include "tests/harness/tap.h"

static void fed_calls(void)
{
	struct task_state state;
	struct rig rig;
	int fd;

	rig_new(&rig, 16);
	rig_attach_life(&rig);
	fd = rig_hot_path_fd(&rig);
	CHECK(rig_task(&rig, getpid(), &state) == -ENOENT, "known too early");
	CHECK(!rig_call(fd, 1), "%s", strerror(errno));
	CHECK(!rig_call_ia32(fd, 4), "%s", strerror(errno));
	CHECK(!rig_call(fd, 0x40000000), "%s", strerror(errno));
	CHECK(!rig_call(fd, 4), "%s", strerror(errno));
	REQUIRE(!rig_task(&rig, getpid(), &state), "%s", strerror(errno));
	CHECK(ebph_window_at(&state.window, 3) == 1, "%u", ebph_window_at(&state.window, 3));
	CHECK(ebph_window_at(&state.window, 2) == EBPH_CALL_IA32 + 4, "%u",
	      ebph_window_at(&state.window, 2));
	CHECK(ebph_window_at(&state.window, 1) == EBPH_CALL_X32, "%u",
	      ebph_window_at(&state.window, 1));
	CHECK(ebph_window_at(&state.window, 0) == 4, "%u", ebph_window_at(&state.window, 0));
	CHECK(ebph_window_at(&state.window, 4) == EBPH_CALL_NONE, "%u",
	      ebph_window_at(&state.window, 4));
	CHECK(rig_slot(&rig, "/proc/self/exe") == state.slot, "slot %u", state.slot);
	CHECK(rig.kernel->heads[state.slot].words == 6, "%u words",
	      rig.kernel->heads[state.slot].words);
	rig_free(&rig);
}

const struct test feed_tests[] = {
	{.name = "feed: calls through BPF_PROG_TEST_RUN are seen as the kernel's",
	 .run = fed_calls},
	{},
};
