# SPDX-License-Identifier: GPL-2.0-or-later
# What tests/run needs; included by the Makefile.
#
#   tests/unit/NAME_test.c           one program each, with cmocka and what it calls of the daemon
#   tests/e2e/*.c, tests/bpf/*.c, tests/harness/*.c
#                                    one program, build/tests/e2e
#   tests/progs/NAME.c               one program each, for the end-to-end tests to run
#   tests/progs/NAME.S               likewise, of 32 bits

UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*_test.c))
PROGS	   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/progs/*.c))
PROGS_32   := $(patsubst %.S,$(BUILD)/%,$(wildcard tests/progs/*.S))
E2E_SRCS   := $(filter-out %.bpf.c,$(wildcard tests/e2e/*.c tests/bpf/*.c tests/harness/*.c))
TEST_SKELETONS := $(patsubst tests/bpf/%.bpf.c,$(BUILD)/%.skel.h,$(wildcard tests/bpf/*.bpf.c))
E2E_OBJS   := $(E2E_SRCS:tests/%.c=$(BUILD)/tests/obj/%.o)

test-build: $(UNIT_TESTS) $(PROGS) $(PROGS_32) $(if $(E2E_OBJS),$(BUILD)/tests/e2e)

# As an archive, the linker takes what a test calls; the rest is not carried into each guest.
$(BUILD)/tests/ebph.a: $(CONF_OBJS) $(ENFORCER_OBJS)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# gcc 12 takes what open_memstream() hands out for the address of the variable it was told.
$(UNIT_TESTS:%=%.o): CFLAGS += -Wno-dangling-pointer

$(UNIT_TESTS): %: %.o $(BUILD)/tests/ebph.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -lcmocka -lm -pthread -o $@

# It runs the program itself.
$(BUILD)/tests/unit/check_config_test: | $(BUILD)/ebphd

# What the model of tests/bpf comes to is the truth there, too.
$(BUILD)/tests/unit/curve_test: $(patsubst %,$(BUILD)/tests/obj/bpf/%.o,model model_answer)

# Of ebphctl, of which nothing else is in the archive.
$(BUILD)/tests/unit/printable_test: $(BUILD)/ctl/text.o

# Its own functions stand between conf/ and the C library's: there is no memory.
$(BUILD)/tests/unit/conf_fault_test: LDFLAGS += \
	$(foreach f,malloc calloc realloc strdup strndup,-Wl,--wrap=$(f))

# Its own functions stand between store.c and the C library's: they fail, and they keep book.
$(BUILD)/tests/unit/store_fault_test: LDFLAGS += \
	$(foreach f,openat write fsync renameat unlinkat,-Wl,--wrap=$(f))

# Not in build/tests/e2e/: that is the program.
$(BUILD)/tests/obj/%.o: tests/%.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(E2E_OBJS): | $(SKELETONS) $(TEST_SKELETONS)

$(TEST_SKELETONS): $(BUILD)/%.skel.h: $(BUILD)/tests/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(BUILD)/tests/e2e: $(E2E_OBJS) $(BUILD)/tests/ebph.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -Wl,--as-needed $(LDLIBS) -lcmocka -lm -pthread -o $@

# Static and without the sanitizers: few system calls, and the same ones everywhere.
$(PROGS): $(BUILD)/%: %.c Makefile tests/tests.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -MF $@.d -MT $@ -std=gnu11 -O1 -Wall -static -pthread $< -o $@

# By assembler and linker alone: they know 32 bits everywhere, the compiler only with multilib.
$(PROGS_32): $(BUILD)/%: %.S tests/tests.mk
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(AS) --32 $< -o $@.o
	$(Q)$(LD) -m elf_i386 $@.o -o $@

# BPF programs of tests and benchmarks.
$(BUILD)/tests/%.bpf.o: tests/%.bpf.c Makefile
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -I. -c $< -o $@

# ---- benchmark --------------------------------------------------------------------------------

BENCH_OBJS := $(patsubst tests/%.c,$(BUILD)/tests/obj/%.o,\
	      $(filter-out %.bpf.c %/tiny.c %/strange.c %/matrix.c,$(wildcard tests/bench/*.c)) tests/bpf/rig.c)

$(BENCH_OBJS): | $(SKELETONS) $(BUILD)/bench_empty.skel.h $(BUILD)/bench_reconstruction.skel.h

.SECONDARY: $(BUILD)/tests/bench/empty.bpf.o $(BUILD)/tests/bench/reconstruction.bpf.o

$(BUILD)/bench_%.skel.h: $(BUILD)/tests/bench/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name bench_$* > $@

# Without the C library: few system calls.
$(BUILD)/tests/bench-tiny $(BUILD)/tests/bench-strange: $(BUILD)/tests/bench-%: tests/bench/%.c \
		Makefile tests/tests.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -MF $@.d -MT $@ -std=gnu11 -O1 -Wall -static -nostdlib \
		-fno-stack-protector -fno-asynchronous-unwind-tables -Wl,-z,noseparate-code \
		-Wl,-e,$*_start $< -o $@

$(BUILD)/tests/bench-run: $(BENCH_OBJS) $(BUILD)/tests/ebph.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -Wl,--as-needed $(LDLIBS) -pthread -o $@

$(BUILD)/tests/bench-matrix: $(BUILD)/tests/obj/bench/matrix.o $(BUILD)/tests/ebph.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -Wl,--as-needed $(LDLIBS) -o $@
