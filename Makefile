# A thin front door: every target is a line or two; the work is in CMake and tools/.
SHELL := /bin/bash
PRESET ?= release
PROGRAMS := programs
IMAGES := build/images
HOST_ARCH := $(shell dpkg --print-architecture)
ARCH ?= $(HOST_ARCH)
ifneq ($(ARCH),$(HOST_ARCH))
ifeq ($(wildcard cmake/toolchain-$(ARCH).cmake),)
$(error ARCH is $(ARCH), for which there is no cmake/toolchain-$(ARCH).cmake; this machine is $(HOST_ARCH))
endif
# Images for another architecture: cross compiled, against packages that are unpacked and not installed.
PRESET := release-$(ARCH)
PROGRAMS := image_programs
IMAGES := build/images-$(ARCH)
else ifneq ($(filter images-check,$(MAKECMDGOALS)),)
$(error images-check starts programs of another architecture, emulated: make images-check ARCH=arm64)
endif
BUILD := build/$(PRESET)
JOBS ?= $(shell nproc)

.DEFAULT_GOAL := help
.PHONY: help setup configure build run test test-fast check format lint layers docs asan tsan golden lab e2e clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## install missing distribution packages (does nothing when none is missing)
	@tools/setup

.PHONY: sysroot
ifneq ($(ARCH),$(HOST_ARCH))
configure: sysroot
endif
sysroot: setup
	@tools/setup tools/images/packages.txt
	@tools/images/sysroot $(ARCH) > /dev/null

configure: setup
	@cmake --preset $(PRESET) > build-$(PRESET).log 2>&1 || { cat build-$(PRESET).log; rm -f build-$(PRESET).log; exit 1; }
	@rm -f build-$(PRESET).log

build: configure ## build the programs (PRESET=release|dev|asan|tsan)
	@cmake --build $(BUILD) -j $(JOBS) --target $(PROGRAMS)

.PHONY: build-all
build-all: configure
	@cmake --build $(BUILD) -j $(JOBS)

run: build ## play the demo: two nodes, six pods, one namespace label
	@tools/dev/run $(BUILD)/bin

test: build-all ## every test, as root
	@tools/run-tests $(BUILD)

test-fast: build-all ## unit tests only, no root needed
	@tools/run-tests $(BUILD) -L unit

check: ## what CI runs: format, layers, lint, build, tests, sanitizers, budgets, docs
	@bash .ci/run

format: setup ## rewrite sources in the house format (CHECK=1: only complain)
	@tools/format $(if $(CHECK),--check)

lint: configure ## clang-tidy on changed files, shellcheck on scripts
	@tools/lint $(BUILD)

layers: ## include directions against the table in docs/architecture.md
	@tools/check-layers

docs: build ## run the commands in README.md and docs/
	@tools/check-docs $(BUILD)/bin

asan: ## unit tests with address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory sanitize PRESET=asan TARGET=unit_tests SELECT='-L unit'

tsan: ## tests of what runs on several threads, with the thread sanitizer
	@$(MAKE) --no-print-directory sanitize PRESET=tsan TARGET=threaded_tests SELECT='-L threaded'

.PHONY: sanitize
sanitize: configure
	@cmake --build $(BUILD) -j $(JOBS) --target $(TARGET)
	@tools/run-tests $(BUILD) $(SELECT)

.PHONY: budgets
budgets: configure ## instructions per operation against tests/instructions/budgets.json
	@cmake --build $(BUILD) -j $(JOBS) --target instructions
	@tools/bench/instructions $(BUILD)

golden: build-all charts ## rewrite the golden files; review the diff
	@KEELSON_UPDATE_GOLDEN=1 tools/run-tests $(BUILD) -L unit

.PHONY: charts
charts: setup ## rewrite what is derived in charts/ and its goldens (CHECK=1: lint, render, compare; builds helm once)
	@$(if $(CHECK),,tools/charts/generate)
	@tools/charts/check $(if $(CHECK),,--update)

.PHONY: images images-check
images: build ## OCI archives and bills of materials into build/images (ARCH=arm64: cross compiled)
	@tools/images/build --arch $(ARCH) $(BUILD)/bin $(IMAGES)

images-check: images ## ARCH=arm64: each program in the images starts, emulated, and tells its version
	@tools/images/check --arch $(ARCH) $(IMAGES)

lab: build ## a lab of two nodes that stays up until `lab down`
	@$(BUILD)/bin/lab up --manifests tools/dev/demo

bench: bench-build ## the benchmark ladder with its peers: every rung at 32 connections (under 15 minutes)
	@tools/bench/run $(BUILD)/bin quick

bench-full: bench-build ## the ladder at 1, 32 and 256 connections, 1 and 64 KiB (under 90 minutes)
	@tools/bench/run $(BUILD)/bin full

bench-%: bench-build
	@tools/bench/run $(BUILD)/bin $*

.PHONY: bench bench-full bench-build
bench-build: configure
	@tools/setup tools/bench/packages.txt
	@cmake --build $(BUILD) -j $(JOBS) --target bench_programs

e2e: e2e-programs ## the end-to-end scenarios on real clusters of two nodes (WORDS="..." chooses)
	@tests/e2e/run --clusters 3 $(WORDS)

.PHONY: e2e-long e2e-programs
e2e-long: e2e-programs ## what puts load on the mesh ten times, and again on nodes with cgroup v2 only
	@tests/e2e/run --clusters 2 --times 10
	@tests/e2e/run --clusters 2 --times 10 --cgroups unified

e2e-programs: images
	@tools/setup tests/e2e/packages.txt
	@cmake --build $(BUILD) -j $(JOBS) --target keelson-load

clean: ## remove the build folder
	@rm -rf build
