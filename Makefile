# Thin on purpose: every target calls one script. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run setup build image package try-deploy try-compose test test-unit test-integration \
        test-browser sim fuzz faults bench asan tsan coverage types format format-check lint check-includes ci clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## everything from a fresh checkout to a running orchestrator on port 8000; Ctrl-C stops it
	@tools/run.sh

setup: ## install what is missing, tests included, and start Docker if none answers
	@tools/setup.sh --tests

build: ## compile for development (build/dev)
	@cmake --preset dev && cmake --build --preset dev

image: ## build the sandbox image if its inputs changed
	@tools/build-image.sh

package: ## a .deb and a .tar.gz in build/package, from the release build
	@tools/package.sh

try-deploy: ## deploy.sh and the .deb on clean Debians 12 and 13 with systemd, over SSH (long)
	@tools/try-deploy.sh

try-compose: ## deploy/compose with images built here, and the lifecycle tests against it
	@tools/try-compose.sh

test: ## all tests; the last line is the total
	@tools/test.sh

test-unit: ## unit, contract and simulation tests: no Docker, no network
	@tools/test.sh unit

test-integration: ## integration tests on real Docker
	@tools/test-integration.sh

test-browser: ## the dashboard in Debian's Chromium, on real Docker
	@tools/test-browser.sh

sim: ## the simulation; MATRX_SIM_SEED=N make sim repeats one run
	@tools/test.sh sim

fuzz: ## every fuzz target for 10 s; one: tools/fuzz.sh fuzz_NAME 300
	@tools/fuzz.sh short

faults: ## long tests of homes: a store that fails, processes that are killed, hostile programs
	@MATRX_TEST_WORKERS=0 tools/test-integration.sh -m faults

power-losses: ## 200 power losses of a host at random moments, over local disks and S3 (long)
	@MATRX_TEST_WORKERS=0 tools/test-integration.sh -m faults -k many_power_losses

bench: ## the benchmarks, on the release build
	@test -x tests/bench/run.sh || { echo "matrx: there are no benchmarks yet: add tests/bench/run.sh." >&2; exit 1; }
	@tests/bench/run.sh

asan: ## tests under the address and undefined-behaviour sanitizers
	@tools/test.sh asan

tsan: ## tests under the thread sanitizer
	@tools/test.sh tsan

coverage: ## which lines and branches of src/ the unit, contract and simulation tests run; a table
	@tools/coverage.sh

types: ## TypeScript types of the Postgres tables, from migrations/
	@tools/with-postgres.sh tools/make_types.py

format: ## format the C++ code
	@tools/format.sh

format-check: ## say what is not formatted
	@tools/format.sh --check

lint: ## clang-tidy over what changed, and whether each source brings its own includes
	@tools/lint.sh && tools/lint.sh alone

check-includes: ## check the arrows between the folders of src/
	@tools/include_graph.py

ci: ## what CI runs: every check and every test
	@.ci/run

clean: ## remove what was built; images and data stay
	@rm -rf build
