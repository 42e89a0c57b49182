# SPDX-License-Identifier: GPL-2.0-or-later
# make run | test | test-long | demo | bench | bench-memory | bench-vm | check | fuzz | install |
# clean; V=1 shows commands, DEBUG=1 builds for a debugger, SANITIZE=1 with ASan and UBSan (each
# after make clean).

VERSION := 0.1.0
BUILD	:= build
prefix	:= /usr/local
DESTDIR :=

CLANG	?= clang
BPFTOOL ?= bpftool
CC	:= gcc

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Werror
CFLAGS	 := -std=gnu11 -g $(if $(DEBUG)$(SANITIZE),-Og,-O2) $(WARNINGS)
CPPFLAGS := -D_GNU_SOURCE -DEBPH_VERSION='"$(VERSION)"' -I. -I$(BUILD) -MMD -MP
LDLIBS	 := -lbpf -lelf -lz -lcap -linih -ljansson
ifdef SANITIZE
CFLAGS	+= -fsanitize=address,undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
else
CFLAGS	+= -fstack-protector-strong -fPIE $(if $(DEBUG),,-D_FORTIFY_SOURCE=2)
LDFLAGS += -pie -Wl,-z,relro,-z,now
endif

# The multiarch folder of the kernel's user headers; clang does not look there for -target bpf.
MULTIARCH := $(shell $(CC) -print-multiarch)
BPF_CFLAGS := -O2 -g -mcpu=v3 -target bpf -D__TARGET_ARCH_x86 -Wall -Wextra -Werror \
	      -Wno-unused-parameter -Ibpf -I$(BUILD)/bpf -idirafter /usr/include/$(MULTIARCH) -MMD -MP

BPF_PARTS := maps seat profile verb task tasks breaker drill response release abort guard signal \
	     syscall
BPF_OBJS  := $(BPF_PARTS:%=$(BUILD)/bpf/%.bpf.o)
SKELETONS := $(BUILD)/ebph.skel.h $(BUILD)/probe.skel.h $(BUILD)/ontime.skel.h

CONF_SRCS     := $(filter-out conf/example.c,$(wildcard conf/*.c))
ENFORCER_SRCS := $(filter-out enforcer/main.c,$(wildcard enforcer/*.c))
CTL_OBJS      := $(patsubst %.c,$(BUILD)/%.o,$(wildcard ctl/*.c)) \
		 $(BUILD)/enforcer/wire.o $(BUILD)/enforcer/base64.o $(BUILD)/enforcer/whole.o
CONF_OBJS     := $(CONF_SRCS:%.c=$(BUILD)/%.o)
CALLNAME_OBJS := $(BUILD)/enforcer/callname.o $(BUILD)/enforcer/callname_table.o
ENFORCER_OBJS := $(ENFORCER_SRCS:%.c=$(BUILD)/%.o) $(BUILD)/enforcer/callname_table.o

.DELETE_ON_ERROR:
.PHONY: all run demo transcript test test-long test-build bench bench-memory bench-vm check fuzz install \
	clean deps
all: $(BUILD)/ebphd $(BUILD)/ebphctl
	@:

# ---- BPF side -------------------------------------------------------------------------------

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/bpf/guard.bpf.o: $(BUILD)/bpf/guard_table.h

$(BUILD)/bpf/guard_table.h: scripts/guards bpf/guards.tab
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)scripts/guards '$(CC)' bpf/guards.tab > $@

$(BUILD)/bpf/ebph.o: $(BPF_OBJS)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/ebph.skel.h: $(BUILD)/bpf/ebph.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name ebph_bpf > $@

$(BUILD)/probe.skel.h $(BUILD)/ontime.skel.h: $(BUILD)/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# ---- user side ------------------------------------------------------------------------------

$(BUILD)/%.o: %.c Makefile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(ENFORCER_OBJS) $(BUILD)/enforcer/main.o: | $(SKELETONS)

$(BUILD)/enforcer/method.o: enforcer/org.ebph.Enforcer.varlink

$(BUILD)/enforcer/callname_table.c: scripts/callnames Makefile
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)scripts/callnames '$(CC)' > $@

$(BUILD)/enforcer/callname_table.o: $(BUILD)/enforcer/callname_table.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/ebphd: $(BUILD)/enforcer/main.o $(ENFORCER_OBJS) $(CONF_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(BUILD)/ebphctl: $(CTL_OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -ljansson -lncursesw -ltinfo -o $@

$(BUILD)/conf-example: $(BUILD)/conf/example.o $(CONF_OBJS) $(CALLNAME_OBJS)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -linih -o $@

# The example is the compiled defaults, commented out. It lies in the tree for who reads there; a
# test holds it equal, so it is rewritten by hand only, after a change of the options.
.PHONY: example
example: $(BUILD)/conf-example
	$(Q)$< > ebph.conf.example

-include tests/tests.mk

# ---- for people -----------------------------------------------------------------------------

deps:
	@scripts/deps

# What is missing is installed before anything is built, so the build is a second make.
run: deps
	@$(MAKE) --no-print-directory all
	@scripts/run

demo: deps
	@$(MAKE) --no-print-directory all test-build
	@scripts/demo

# What an operator asks ebphctl, and what it answers, as it really is.
transcript: deps
	@$(MAKE) --no-print-directory all test-build
	@scripts/transcript > $(BUILD)/transcript.md
	@mv $(BUILD)/transcript.md docs/transcript.md

test: deps
	@$(MAKE) --no-print-directory all test-build
	@tests/run

test-long: deps
	@scripts/deps long
	@$(MAKE) --no-print-directory all test-build
	@tests/run --long

# What ebph costs, on this host's own kernel; needs root. BENCH="--rounds 10 calls" for less. Whole
# programs and plots need what `scripts/deps bench` installs, and are left out without.
bench: deps
	@$(MAKE) --no-print-directory $(BUILD)/ebphd $(BUILD)/tests/bench-run $(BUILD)/tests/bench-tiny \
		$(BUILD)/tests/bench-strange $(BUILD)/tests/progs/lines
	@rm -rf $(BUILD)/bench
	@$(BUILD)/tests/bench-run --json $(BUILD)/bench.json --plots $(BUILD)/bench $(BENCH)
	@command -v gnuplot >/dev/null || echo "no plots: scripts/deps bench installs gnuplot" >&2
	@! command -v gnuplot >/dev/null || gnuplot -e "folder='$(BUILD)/bench'" tests/bench/plots.gp

# What profiles of real programs take of the kernel's memory, in a virtual machine; MEMORY="KERNEL"
# for another kernel.
bench-memory: deps
	@$(MAKE) --no-print-directory all $(BUILD)/tests/bench-matrix
	@scripts/memory $(MEMORY)

# What needs guard hooks, and all paths of a call, in instructions; BENCH_VM="KERNEL".
bench-vm: deps
	@$(MAKE) --no-print-directory all test-build
	@scripts/bench-vm $(BENCH_VM)

# What is written here, looked at by tools: layout, clang-tidy, shellcheck, the example.
check: deps
	@$(MAKE) --no-print-directory all test-build $(BUILD)/conf-example
	@scripts/check

FUZZ_RUNS := 1000000
FUZZ_DIR  := $(BUILD)/fuzz
FUZZ_CC	  := $(CLANG) -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined \
	   -fno-sanitize-recover=all
FUZZ_ARGS  = -runs=$(FUZZ_RUNS) -verbosity=0
fuzz: deps $(BUILD)/enforcer/callname_table.c
	@mkdir -p $(FUZZ_DIR)/conf $(FUZZ_DIR)/image $(FUZZ_DIR)/wire
	$(call say,CC,tests/fuzz/conf_fuzz.c)
	$(Q)$(FUZZ_CC) tests/fuzz/conf_fuzz.c $(filter-out conf/host.c,$(CONF_SRCS)) \
		enforcer/callname.c $(BUILD)/enforcer/callname_table.c -linih \
		-o $(FUZZ_DIR)/conf_fuzz
	$(call say,CC,tests/fuzz/image_fuzz.c)
	$(Q)$(FUZZ_CC) tests/fuzz/image_fuzz.c enforcer/image.c -lz -o $(FUZZ_DIR)/image_fuzz
	$(call say,CC,tests/fuzz/wire_fuzz.c)
	$(Q)$(FUZZ_CC) tests/fuzz/wire_fuzz.c enforcer/wire.c enforcer/base64.c -ljansson -o $(FUZZ_DIR)/wire_fuzz
	$(Q)cp ebph.conf.example tests/fuzz/conf/* $(FUZZ_DIR)/conf/
	$(Q)cp tests/fuzz/wire/* $(FUZZ_DIR)/wire/
	$(Q)cd $(FUZZ_DIR) && ./conf_fuzz $(FUZZ_ARGS) -max_len=4096 \
		-dict=$(CURDIR)/tests/fuzz/conf.dict conf
	$(Q)cd $(FUZZ_DIR) && ./image_fuzz $(FUZZ_ARGS) -max_len=1024 -use_value_profile=1 image
	$(Q)cd $(FUZZ_DIR) && ./wire_fuzz $(FUZZ_ARGS) -max_len=1024 wire

install: all
	install -D -m 0755 $(BUILD)/ebphd $(DESTDIR)$(prefix)/sbin/ebphd
	install -D -m 0755 $(BUILD)/ebphctl $(DESTDIR)$(prefix)/sbin/ebphctl
	install -d $(DESTDIR)$(prefix)/share/bash-completion/completions
	$(BUILD)/ebphctl completion > \
		$(DESTDIR)$(prefix)/share/bash-completion/completions/ebphctl
	install -d $(DESTDIR)$(prefix)/share/man/man1 $(DESTDIR)$(prefix)/share/man/man5 \
		$(DESTDIR)$(prefix)/share/man/man8
	scripts/manual ebphctl > $(DESTDIR)$(prefix)/share/man/man1/ebphctl.1
	scripts/manual ebphd > $(DESTDIR)$(prefix)/share/man/man8/ebphd.8
	scripts/manual ebph.conf > $(DESTDIR)$(prefix)/share/man/man5/ebph.conf.5
	install -D -m 0644 scripts/ebphd.service $(DESTDIR)$(prefix)/lib/systemd/system/ebphd.service
	install -D -m 0644 ebph.conf.example $(DESTDIR)$(prefix)/share/doc/ebph/ebph.conf.example

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
