# SPDX-License-Identifier: GPL-2.0
# The one entry point; everything happens in scripts/.

KERNEL ?= ours
GUEST ?= stock
T ?=
S := scripts
UNIT = $(MAKE) -s --no-print-directory -C tools/testing/kvm-nested OUT=$(CURDIR)/out/build/unit
IMAGE := out/guest/$(if $(filter minimal,$(GUEST)),minimal-$(KERNEL),stock).img

export BASE_TREE BASE_TARBALL DEBIAN_MIRROR CONFIG SLACK VERBOSE

.PHONY: help demo test peer build fetch apply shell unit fuzz kunit selftest \
	check clean setup ours-kernel peer-kernel guest

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  KERNEL=ours|peer     with demo, shell, selftest: our kernel or the unmodified base"
	@echo "  GUEST=stock|minimal  with demo: what L1 and L2 run, Debian's kernel or L0's own"
	@echo "  VERBOSE=1            with demo: L2's whole kernel log on its console"
	@echo "  T='test ...'         with selftest: these tests only"
	@echo "  VECTORS='file ...'   with unit: these vectors, *.jsonl or *.jsonl.gz, in place of tests/vectors"
	@echo "  EXPLAIN=v00123       with unit: the walk of this vector, step by step"
	@echo "  CC=clang, SAN=0      with unit: another compiler; no sanitizers, for speed"
	@echo "  TIME=60              with fuzz: seconds"
	@echo "  CONFIG=debug         with build, demo, selftest: a fragment of configs/ more"
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
	@$(S)/selftest.sh $(KERNEL) $(T)

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
