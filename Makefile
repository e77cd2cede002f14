# Everything a newcomer types. Needs make and Python 3.11 or later with its venv module: no root, no containers, no other
# tool. Paths are relative on purpose, so that a folder name with spaces does no harm.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
WORKERS ?= 2
ARGS ?=

.PHONY: help init run start stop down restart ps logs shell test unit live cover lint format types layers lock wheel deep \
	reference bench-profile bench-client bench-catalogue clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

# --- the virtual environment: made once, filled again only when a lock or pyproject.toml changed ---------------------

.venv/venv.stamp:
	@sh scripts/venv.sh .venv
	@touch $@

.venv/run.stamp: requirements.lock pyproject.toml | .venv/venv.stamp
	@echo "installing what runs (requirements.lock) ..."
	@$(PIP) install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml | .venv/venv.stamp
	@echo "installing what runs and tests (requirements-dev.lock) ..."
	@$(PIP) install --quiet --no-deps --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# --- the platform ----------------------------------------------------------------------------------------------------

init: .venv/run.stamp .venv/dev.stamp ## install everything, and a .env to edit
	@test -e .env || cp .env.example .env
	@echo "ready: make run, make test"

run: .venv/run.stamp ## start the platform here, follow it, stop it with Ctrl-C
	@exec $(BIN)/cinema up $(ARGS)

start: .venv/run.stamp ## start the platform in the background
	@$(BIN)/python scripts/background.py start

stop: .venv/run.stamp ## stop it
	@$(BIN)/python scripts/background.py stop

down: stop ## the same: nothing else is kept running

restart: .venv/run.stamp ## stop and start
	@$(BIN)/python scripts/background.py stop
	@$(BIN)/python scripts/background.py start

ps: .venv/run.stamp ## show its processes
	@$(BIN)/python scripts/background.py ps

logs: .venv/run.stamp ## follow its log
	@$(BIN)/python scripts/background.py logs

shell: .venv/run.stamp ## a shell in which stagedoor and cinema are on PATH
	@PATH="$$PWD/$(BIN):$$PATH" exec "$${SHELL:-/bin/sh}" -i

# --- tests and checks ------------------------------------------------------------------------------------------------

# They start some hundred processes: whatever the machine says otherwise, Python compiles each module once.
unit live deep: export PYTHONDONTWRITEBYTECODE =

test: unit live ## run all tests

unit: .venv/dev.stamp ## the tests that may run side by side
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m pytest -q -m "not live" -n $(WORKERS) --dist loadgroup --cov --cov-report= --cov-fail-under=0 $(ARGS)

live: .venv/dev.stamp ## the tests that time or load real processes, one after the other
	@$(BIN)/python -m pytest -q -m live $(ARGS)

cover: ## hold the floors on what `make unit` measured
	@sh scripts/floors.sh $(BIN)/python

deep: .venv/dev.stamp ## the tests again, with many more generated examples
	@$(BIN)/python -m pytest -q -m "not live" -n $(WORKERS) --dist loadgroup --hypothesis-profile=deep --timeout=1800 $(ARGS)

lint: .venv/dev.stamp ## style, and whether the formatter would change a file
	@status=0; $(BIN)/ruff check || status=1; $(BIN)/ruff format --check || status=1; exit $$status

format: .venv/dev.stamp ## let the formatter and the safe fixes change files
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

types: .venv/dev.stamp ## mypy and pyright
	@status=0; $(BIN)/mypy || status=1; $(BIN)/pyright || status=1; exit $$status

layers: .venv/dev.stamp ## nothing imports upwards
	@$(BIN)/lint-imports --no-logo

reference: .venv/dev.stamp ## write docs/reference again from the docstrings
	@$(BIN)/python scripts/reference.py

wheel: .venv/dev.stamp ## build dist/*.whl
	@rm -rf dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	@ls dist/*.whl

lock: .venv/venv.stamp ## pin the dependencies again
	@$(BIN)/python scripts/lock.py $(ARGS)

bench-profile: .venv/dev.stamp ## cold profiles per second, beside FastAPI + aiohttp and Fastify
	@$(BIN)/python -m bench.profile $(ARGS)

bench-client: .venv/dev.stamp ## CPU time per upstream call, beside aiohttp and pyreqwest
	@$(BIN)/python -m bench.client

bench-catalogue: .venv/dev.stamp ## 200,000 films: latency, the worst question, memory, building; ARGS="--engine both"
	@$(BIN)/python -m bench.catalogue $(ARGS)

clean: ## remove what tools left behind; data and .venv stay
	@rm -rf .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis build dist
