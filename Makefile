# Each target sets up what it needs; once that is done, it takes no time.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Node 20 is new enough, but the CDK would warn at every step that it is old.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
# uv compiles nothing: all of it would take a minute of CPU, most of that for the CDK, of which
# little is ever imported. Python compiles what it imports and keeps that, unless it is told not
# to; then each of the many processes here would compile moto, botocore and more anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo sandbox look bootstrap deploy test oldest lint style types templates format lock \
  e2e soak mutants search-mutants hostile bench clean

help: ## lists what make can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(READY) ## shows the main job on a local fleet, in acts (VERBOSE=1: with what is logged)
	@$(BIN)/python -m sandbox.demo $(if $(VERBOSE),--verbose)

sandbox: $(READY) ## runs a local fleet to try the command line on, until interrupted
	@$(BIN)/python -m sandbox

look: demo node_modules/.ready ## checks the demo's report in a real Chromium ($CHROMIUM or on PATH)
	@node look/look.mjs .sandbox/look .sandbox/demo.html

bootstrap: $(READY) node_modules/.ready ## prepares an account and Region for the CDK, once
	npx cdk bootstrap

deploy: $(READY) node_modules/.ready ## deploys what cdk.json says to the environment's account
	npx cdk deploy --all

test: $(READY) ## runs the tests, one process a core
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations 10

oldest: $(READY) ## runs the tests of the functions with the oldest boto3 that Lambda may have
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --require-hashes \
	  --target build/oldest-boto3 -r tests/oldest-boto3.txt
	PYTHONPATH=build/oldest-boto3 $(BIN)/python -c 'import boto3; print("boto3", boto3.__version__)'
	PYTHONPATH=build/oldest-boto3 $(BIN)/python -m pytest -n auto --dist loadfile \
	  tests/run tests/observe

lint: $(READY) ## checks style, types and the synthesized templates, at the same time
	@$(MAKE) --no-print-directory --jobs --output-sync=target --keep-going style types templates

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

templates: $(READY)
	$(BIN)/python -m infra.checks

format: $(READY) ## mends style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

e2e: $(READY) node_modules/.ready ## deploys to a local AWS, from upload to convergence
	$(BIN)/python -m e2e

soak: $(READY) ## plays incidents with large fleets, and searches in 200,000 steps (SEED=1)
	$(BIN)/python -m pytest -n auto -m soak tests/incidents
	$(BIN)/python -m tests.search.soak --steps 200000 --seed $(or $(SEED),0)

mutants: $(READY) ## changes the decision in small ways: does a test fail each time?
	nice -n 10 $(BIN)/python -m tests.mutation tests $(MODULES)

search-mutants: $(READY) ## changes 40 places of the decision (SAMPLE=, SEED=): does the search notice?
	@nice -n 10 $(BIN)/python -m tests.mutation search --sample $(or $(SAMPLE),40) --seed $(or $(SEED),0)

hostile: $(READY) ## shows what the probe says of instances that answer as badly as they can
	@$(BIN)/python -m tests.probe.hostile_table

bench: $(READY) ## measures what Terminator costs, and rewrites docs/development/performance.md
	@$(BIN)/python -m benchmarks

# The bundle is for one Python on one platform, the rest for all that develop here. Packages that
# are pinned already stay as they are, but with make lock UPGRADE=--upgrade.
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url $(UPGRADE)
lock: $(READY) ## pins what requirements.in and lambdas/requirements.in name
	$(LOCK) --python-version 3.13 --python-platform aarch64-manylinux2014 \
	  lambdas/requirements.in -o lambdas/requirements.txt
	$(LOCK) --python-version 3.11 --universal requirements.in -o requirements.txt
	$(LOCK) --python-version 3.13 --no-deps tests/oldest-boto3.in -o tests/oldest-boto3.txt

# pip installs uv, and uv the rest: in seconds, where pip takes minutes.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 1; }
	@echo "set-up, 1 of 3: $$($(PYTHON) --version) in .venv"
	@$(PYTHON) -m venv .venv
	@echo "set-up, 2 of 3: uv (25 MB), which installs the rest"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > .venv/uv.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps \
	  -r .venv/uv.txt
	@echo "set-up, 3 of 3: what requirements.txt names (200 MB, if none of it is cached)"
	@$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.txt 2>&1 | sed '/^ /d'
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e .
	@touch $@

node_modules/.ready: package.json package-lock.json
	@echo "set-up: node_modules, with the CDK's command line"
	@npm ci --silent --no-audit --no-fund
	@touch $@

clean: ## deletes everything that was set up or made
	rm -rf .venv node_modules cdk.out .sandbox build mutants *.egg-info lambdas/*.egg-info \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
