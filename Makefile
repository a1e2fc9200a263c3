# Everything a developer does with Setpoint, one word each: `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

# Bytecode left unwritten is compiled again by every task process.
unexport PYTHONDONTWRITEBYTECODE
# Great Expectations reports its use over the network by default.
export GX_ANALYTICS_ENABLED := false

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# These drive a whole Airflow of their own, and wait for it most of the time.
LIVE := live or browser

# One more than there are cores: many tests wait for a server, or for another process, a third of their time.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Build .venv from requirements.lock (a finished one costs nothing)
	@scripts/setup.sh

.PHONY: demo
demo: setup ## Play the three-minute scenario on a real Airflow; stays up until Ctrl-C (ARGS=--exit to end by itself)
	@$(BIN)/setpoint demo $(ARGS)

.PHONY: test
test: setup system-packages check test-parallel test-live ## Everything: set-up, checks, all tests

.PHONY: test-parallel
test-parallel: setup ## The tests that need no running Airflow, on all cores (PostgreSQL's and Prometheus's among them)
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "not ($(LIVE))" $(ARGS)

.PHONY: test-live
test-live: setup ## The tests of a running Airflow and its UI in Chromium, one after the other
	$(PYTEST) -m "$(LIVE)" $(ARGS)

.PHONY: check
check: lint types ## Formatting, lint and types

.PHONY: lint
lint: setup ## Formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: setup ## Types
	$(BIN)/mypy

.PHONY: format
format: setup ## Put formatting and imports right
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: setup ## Measure, and write the figures to docs/performance.md
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: chaos
chaos: setup system-packages ## Kill every part at every point of the pipeline, and write docs/reliability.md (half an hour)
	$(BIN)/python tests/chaos/chaos.py $(ARGS)

.PHONY: docs
docs: setup ## Write docs/reference/ from the code
	$(BIN)/python scripts/reference.py $(ARGS)

.PHONY: system-packages
system-packages: ## Install PostgreSQL's server, Prometheus and Chromium with apt-get, for the tests
	@scripts/system_packages.sh

.PHONY: lock
lock: setup ## Resolve requirements-dev.txt into requirements.lock again (ARGS=--upgrade for newer ones)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header $(ARGS) \
	  --output-file requirements.lock requirements-dev.txt

.PHONY: env
env: ## Write .env with fresh random secrets for docker compose (an existing .env is kept)
	@python3 scripts/make_env.py

.PHONY: clean
clean: ## Remove what was built or run here: .venv, .setpoint, caches
	rm -rf $(VENV) .setpoint .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
