# Everything a newcomer types. Needs make and Python 3.11 to 3.13 with its venv module: no root, no containers, no other
# tool. Paths are relative on purpose, so that a folder name with spaces does no harm.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

# PYTHON=python3.13, or a path: that one, in a folder of its own (.venv-3.13).
PYTHON ?=
VENV := .venv$(if $(PYTHON),-$(shell echo '$(PYTHON)' | sed 's|^.*python3\.|3.|; s|[^A-Za-z0-9.]|_|g'))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
# What the lock says, and nothing beside it: no package that it does not name, no build that would fetch its tools.
FROM_LOCK := install --quiet --no-deps --only-binary :all: --require-hashes --requirement
FROM_HERE := install --quiet --no-deps --no-build-isolation --editable .
CHECKED := $(PIP) check || { echo "left by an earlier lock? remove $(VENV) and try again" >&2; exit 1; }
# Much of the tests is waiting for processes: of three at least two have something to do. CI counts lines beside them.
WORKERS ?= $(if $(CI),2,3)
ARGS ?=

.PHONY: help init hooks run stack start stop down restart rebuild ps logs shell ipython redis migrate test test-containers \
	unit kit live cover deep hostile chaos lint format types layers reference promises dashboards wheel bin lock \
	bench-connections bench-hit bench-profile bench-proxy bench-client bench-overload bench-catalogue bench-search clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

# --- the virtual environment: made once, filled again only when a lock or pyproject.toml changed ---------------------

$(VENV)/venv.stamp:
	@sh scripts/venv.sh $(VENV)
	@touch $@

# Where the tests' packages are too, they move along: the check looks at all that is there.
$(VENV)/run.stamp: requirements.lock pyproject.toml | $(VENV)/venv.stamp
	@echo "installing what runs (requirements.lock) ..."
	@$(PIP) $(FROM_LOCK) $(if $(wildcard $(VENV)/dev.stamp),requirements-dev.lock,requirements.lock)
	@$(PIP) $(FROM_HERE)
	@$(CHECKED)
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml | $(VENV)/venv.stamp
	@echo "installing what runs and tests (requirements-dev.lock) ..."
	@$(PIP) $(FROM_LOCK) requirements-dev.lock
	@$(PIP) $(FROM_HERE)
	@$(CHECKED)
	@touch $@

hooks: $(VENV)/dev.stamp ## judge each commit by lint, types and layers before it is made
	@$(BIN)/pre-commit install

# --- the platform ----------------------------------------------------------------------------------------------------

# With CONTAINERS=1, or in the environment, the same words mean the containers of compose.yaml. c=NAME is one of them.
CONTAINERS ?=
c ?=
WITH := $(filter-out 0,$(CONTAINERS))
IN_CONTAINERS = sh scripts/containers.sh
READY := $(if $(WITH),,$(VENV)/run.stamp)

init: $(VENV)/run.stamp $(VENV)/dev.stamp ## install everything, and a .env to edit
	@test -e .env || cp .env.example .env
	@$(if $(WITH),$(IN_CONTAINERS) init,true)
	@echo "ready: make run, make test"

run: $(READY) ## start the platform here, follow it, stop it with Ctrl-C
	@exec $(if $(WITH),$(IN_CONTAINERS) run,$(BIN)/cinema up $(ARGS))

stack: $(VENV)/dev.stamp ## the platform with its real servers on this machine, without containers, until Ctrl-C
	@exec $(BIN)/python -m scripts.whole $(ARGS)

start: $(READY) ## start the platform in the background
	@$(if $(WITH),$(IN_CONTAINERS) start,$(BIN)/python scripts/background.py start)

stop: $(READY) ## stop it
	@$(if $(WITH),$(IN_CONTAINERS) stop,$(BIN)/python scripts/background.py stop)

down: $(READY) ## stop it and keep nothing but its data
	@$(if $(WITH),$(IN_CONTAINERS) down,$(BIN)/python scripts/background.py stop)

restart: $(READY) ## stop and start; c=NAME of a container, that one
	@$(if $(WITH),$(IN_CONTAINERS) restart $(c),$(BIN)/python scripts/background.py stop)
	@$(if $(WITH),true,$(BIN)/python scripts/background.py start)

rebuild: ## install or build again what changed, and restart
	@$(if $(WITH),$(IN_CONTAINERS) rebuild,rm -f $(VENV)/run.stamp; $(MAKE) --no-print-directory restart)

ps: $(READY) ## show its processes
	@$(if $(WITH),$(IN_CONTAINERS) ps,$(BIN)/python scripts/background.py ps)

logs: $(READY) ## follow its log; c=gateway, that of one process
	@$(if $(WITH),$(IN_CONTAINERS) logs $(c),$(BIN)/python scripts/background.py logs $(c))

shell: $(READY) ## a shell in which stagedoor and cinema are on PATH
	@$(if $(WITH),$(IN_CONTAINERS) shell $(c),PATH="$$PWD/$(BIN):$$PATH" exec "$${SHELL:-/bin/sh}" -i)

ipython: $(if $(WITH),,$(VENV)/dev.stamp) ## Python with cinema in it
	@$(if $(WITH),$(IN_CONTAINERS) ipython $(c),exec $(BIN)/ipython)

redis: $(if $(WITH),,$(VENV)/dev.stamp) ## speak to the Redis of REDIS_URL
	@$(if $(WITH),$(IN_CONTAINERS) redis,exec $(BIN)/python scripts/redis_shell.py)

migrate: $(READY) ## bring the database to the newest version of its tables
	@$(if $(WITH),$(IN_CONTAINERS) migrate,$(BIN)/cinema migrate)

# What users of the projects before this one type.
ANYHOW = $(if $(shell sh scripts/containers.sh has > /dev/null 2>&1 && echo yes),CONTAINERS=1)
.PHONY: up-dev down-dev migrate-all run-tests create-env-vars-from-template docker-totoro-server docker-detached-totoro-server
up-dev: ; @$(MAKE) --no-print-directory start $(ANYHOW)
down-dev: ; @$(MAKE) --no-print-directory down $(ANYHOW)
migrate-all: ; @$(MAKE) --no-print-directory migrate
run-tests: ; @$(MAKE) --no-print-directory test
create-env-vars-from-template: ; @test -e .env || cp .env.example .env
docker-totoro-server: ; @$(MAKE) --no-print-directory run $(ANYHOW)
docker-detached-totoro-server: ; @$(MAKE) --no-print-directory start $(ANYHOW)

# --- tests and checks ------------------------------------------------------------------------------------------------

# They start some hundred processes: whatever the machine says otherwise, Python compiles each module once.
deep: export DEEP = 1
unit kit live deep hostile chaos: export PYTHONDONTWRITEBYTECODE =

test: $(if $(WITH),test-containers,unit live) ## run all tests

test-containers: $(VENV)/dev.stamp ## build the image, run the compose files under podman and try them from outside
	@CONTAINERS=1 $(BIN)/python -m pytest -q -p no:xdist --timeout=1500 tests/containers $(ARGS)

# What takes tens of seconds each is for CI, which sets CI, and for DEEP=1.
LONG := $(if $(CI)$(DEEP),, and not long)

# Counting lines makes them half as slow again, so only CI does it, and `CI=1 make unit cover`.
COUNTED := $(if $(CI),--cov --cov-report= --cov-fail-under=0)

unit: $(VENV)/dev.stamp ## the tests that may run side by side
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m pytest -q -m "not live$(LONG)" -n $(WORKERS) --dist loadgroup $(COUNTED) $(ARGS)

kit: $(VENV)/dev.stamp ## the kit's unit tests alone
	@$(BIN)/python -m pytest -q -m "not live" -n $(WORKERS) --dist loadgroup tests/stagedoor $(ARGS)

live: $(VENV)/dev.stamp ## the tests that time or load real processes, one after the other
	@$(BIN)/python -m pytest -q -m "live$(LONG)" tests/bench tests/live $(ARGS)

cover: ## hold the floors on what `CI=1 make unit` measured
	@sh scripts/floors.sh $(BIN)/python

deep: $(VENV)/dev.stamp ## the tests again, with many more generated examples; then hostile, chaos and the ETL under faults
	@$(BIN)/python -m pytest -q -m "not live" -n $(WORKERS) --dist loadgroup --hypothesis-profile=deep --timeout=1800 $(ARGS)
	@DEEP=1 $(BIN)/python -m pytest -q -m live tests/live $(ARGS)
	@$(BIN)/python -m tests.deep.hostile
	@$(BIN)/python -m tests.deep.chaos
	@$(BIN)/python -m tests.deep.identities
	@$(BIN)/python -m tests.deep.kills
	@$(BIN)/python -m tests.deep.kills --embedded
	@$(BIN)/python -m tests.deep.thirty_faults
	@$(BIN)/python -m tests.deep.uploads
	@$(BIN)/python -m tests.deep.transfers
	@$(BIN)/python -m tests.deep.transfers --store s3
	@$(BIN)/python -m tests.deep.etl
	@$(BIN)/python -m tests.deep.etl --engine opensearch
	@$(BIN)/python -m tests.deep.etl --database postgres
	@$(BIN)/python -m tests.deep.etl --database postgres --engine opensearch
	@$(BIN)/python -m tests.deep.whole

hostile: $(VENV)/dev.stamp ## a thousand hostile connections beside a normal client; ARGS="--seconds 40"
	@$(BIN)/python -m tests.deep.hostile $(ARGS)

chaos: $(VENV)/dev.stamp ## ten minutes of faults on every backend under load; ARGS="--seconds 40 --seed 1"
	@$(BIN)/python -m tests.deep.chaos $(ARGS)

lint: $(VENV)/dev.stamp ## style, and whether the formatter would change a file
	@status=0; $(BIN)/ruff check || status=1; $(BIN)/ruff format --check || status=1; exit $$status

format: $(VENV)/dev.stamp ## let the formatter and the safe fixes change files
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

# pyright's program is in its wheel; without node on PATH its wrapper would fetch the newest of the day.
types: export PYRIGHT_PYTHON_FORCE_VERSION =
types: export PYRIGHT_PYTHON_PYLANCE_VERSION =
types: export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1
types: export PYRIGHT_PYTHON_NODE_VERSION = 20.20.2

types: $(VENV)/dev.stamp ## mypy and pyright, also over the examples of the pages
	@status=0; $(BIN)/mypy || status=1; $(BIN)/python -m tests.docs.typed || status=1; \
	$(BIN)/pyright --pythonpath $(BIN)/python || status=1; exit $$status

layers: $(VENV)/dev.stamp ## nothing imports upwards
	@$(BIN)/lint-imports --no-logo

reference: $(VENV)/dev.stamp ## write docs/reference and docs/modules.md again from the docstrings
	@$(BIN)/python scripts/reference.py
	@$(BIN)/python scripts/modules.py

promises: $(VENV)/dev.stamp ## write into docs/promises.md which tests hold each promise
	@$(BIN)/python -m scripts.promises

dashboards: $(VENV)/dev.stamp ## write deploy/grafana/dashboards again from scripts/dashboards
	@$(BIN)/python -m scripts.dashboards

wheel: $(VENV)/dev.stamp ## build dist/*.whl
	@rm -rf dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist . > /dev/null
	@ls dist/*.whl

bin: ## name the folder of the programs that were installed
	@echo $(BIN)

lock: $(VENV)/venv.stamp ## pin the dependencies again
	@$(BIN)/python scripts/lock.py $(ARGS)

bench-connections: $(VENV)/dev.stamp ## 10,000 open connections, 5,000 hits/s, over one worker and two
	@$(BIN)/python -m bench.connections $(ARGS)

bench-hit: $(VENV)/dev.stamp ## kept answers per second, beside nginx, Varnish, Fastify and FastAPI
	@$(BIN)/python -m bench.hit $(ARGS)

bench-profile: $(VENV)/dev.stamp ## cold profiles per second, beside FastAPI + aiohttp and Fastify
	@$(BIN)/python -m bench.profile $(ARGS)

bench-proxy: $(VENV)/dev.stamp ## bodies passing through, beside nginx and Caddy; ARGS="--rounds 1 --sizes 102400"
	@$(BIN)/python -m bench.proxy $(ARGS)

bench-client: $(VENV)/dev.stamp ## CPU time per upstream call, beside aiohttp and pyreqwest
	@$(BIN)/python -m bench.client

bench-overload: $(VENV)/dev.stamp ## goodput at five times what services carry; ARGS="--grounds saturated slow processor"
	@$(BIN)/python -m bench.overload $(ARGS)

bench-catalogue: $(VENV)/dev.stamp ## 200,000 films: latency, the worst question, memory, building; ARGS="--engine both"
	@$(BIN)/python -m bench.catalogue $(ARGS)

bench-search: $(VENV)/dev.stamp ## how good the search is, beside plain multi_match on OpenSearch and SQLite FTS5
	@$(BIN)/python -m bench.search $(ARGS)

clean: ## remove what tools left behind; data and .venv stay
	@rm -rf .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis build dist
