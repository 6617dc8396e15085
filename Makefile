# SPDX-License-Identifier: GPL-2.0
# The one entry point; everything happens in scripts/.

KERNEL ?= ours
GUEST ?= stock
TEST ?= $(T)
S := scripts
UNIT = $(MAKE) -s --no-print-directory -C tools/testing/kvm-nested OUT=$(CURDIR)/out/build/unit
quoted = $(foreach word,$(1),'$(word)')
IMAGE := out/guest/$(if $(filter minimal,$(GUEST)),minimal-$(KERNEL),stock).img

export BASE_TREE BASE_TARBALL DEBIAN_MIRROR SLACK VERBOSE
export CONFIG PAGES DEBUG CPU SMP LEVEL SET

.PHONY: help demo test peer build fetch apply shell unit fuzz kunit selftest \
	bare compare selftest-tarball check clean setup ours-kernel peer-kernel guest

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Which kernel, with demo, shell, selftest (all but KERNEL also with build, peer):"
	@echo "  KERNEL=ours|peer     our kernel, or the unmodified base"
	@echo "  PAGES=16k|64k        L0 has pages of this size"
	@echo "  DEBUG=1              L0 checks itself: lockdep, KASAN, UBSAN and more; slow (kunit too)"
	@echo "  CONFIG='name ...'    more fragments of configs/"
	@echo "On which machine, with demo, shell, selftest, compare:"
	@echo "  CPU=option,...       of QEMU's -cpu max, in place of lpa2=off: lpa2=on"
	@echo "  SMP=n                n CPUs that run in parallel, in place of one that runs repeatably"
	@echo "What, with selftest (compare has TEST too):"
	@echo "  TEST='name ...'      these of tests/nested.tests, or patterns: TEST='nested_*'"
	@echo "  LEVEL=1              run them in an L1: each of their VMs is an L2"
	@echo "  NESTED_SECONDS=n     for nested_stress; NESTED_RACE_MS=n: for rows that race"
	@echo "  SET=debug|pages      what make test runs with DEBUG=1, and with PAGES="
	@echo "Besides:"
	@echo "  GUEST=stock|minimal  with demo: what L1 and L2 run, Debian's kernel or L0's own"
	@echo "  VERBOSE=1            with demo: L2's whole kernel log on its console"
	@echo "  VECTORS='file ...'   with unit: these vectors, *.jsonl or *.jsonl.gz, in place of tests/vectors"
	@echo "  EXPLAIN=v00123       with unit: the walk of this vector, step by step"
	@echo "  CC=clang, SAN=0      with unit: another compiler; no sanitizers, for speed"
	@echo "  TIME=60              with fuzz: seconds"
	@echo "  SLACK=n              n times the limits, on a busy machine"
	@echo "  BASE_TREE=dir, BASE_TARBALL=file    instead of Debian's package of the base"

demo: $(KERNEL)-kernel guest ## boot three levels: L0 on our code, a hypervisor in it, a guest in that
	@$(S)/demo.sh $(KERNEL) $(GUEST)

test: setup ## every test there is, merged as KTAP into out/results/
	@$(S)/test.sh

peer: peer-kernel ## build the unmodified base with the same config in out/peer

build: ours-kernel ## build our kernel

fetch: setup ## fetch and unpack the base into out/linux
	@$(S)/fetch.sh ours

apply: fetch ## lay our files and patches over out/linux
	@$(S)/apply.sh

shell: $(KERNEL)-kernel guest ## a shell in L0, with what it takes to start L1
	@echo "L0 boots; 'poweroff' or Ctrl-a x leaves."
	@$(S)/boot.sh $(KERNEL) $(IMAGE) $(IMAGE) -- LEVEL=0 JOB=shell

unit: fetch ## the walkers in user space: vectors, rules, properties, races
	@mkdir -p out/results
	+@$(UNIT) run KTAP=$(CURDIR)/out/results/unit.ktap \
		$(if $(VECTORS),VECTORS="$(abspath $(VECTORS))")

fuzz: fetch ## the walkers under libFuzzer
	+@$(UNIT) fuzz

kunit: apply ## the KUnit suites, under QEMU
	@$(S)/kunit.sh

selftest: apply $(KERNEL)-kernel ## the kernel's selftests and ours in L0
	@$(S)/selftest.sh $(KERNEL) $(call quoted,$(TEST))

bare: apply ## the selftests' L1 at EL2 of the emulated machine, without KVM
	@$(S)/bare.sh $(call quoted,$(TEST))

compare: apply ours-kernel peer-kernel ## the selftests on ours and on the unmodified base, row by row
	@$(S)/compare.sh $(call quoted,$(TEST))

selftest-tarball: apply ## the selftests, static, with a script that runs them on hardware
	@$(S)/selftest-pack.sh tarball

check: setup ## checkpatch, sparse, W=1, shellcheck, manifest, originality
	@$(S)/check.sh

clean: ## remove out/ and all that is in it
	rm -rf out

# Steps of the above.

setup:
	@$(S)/setup.sh

ours-kernel: apply
	@$(S)/build.sh ours

peer-kernel: setup
	@$(S)/fetch.sh peer
	@$(S)/build.sh peer

guest: $(KERNEL)-kernel
	@$(S)/guest.sh $(GUEST) $(KERNEL)
