# Every target makes the virtual environment that it needs; the second time that is quick.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Node 20 does; the CDK would say at every step that it is old.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.PHONY: demo sandbox bootstrap deploy test hostile e2e lint format lock clean soak mutants look bench

# The main job on a local fleet, in acts, each checked.
demo: $(READY)
	@$(BIN)/python -m sandbox.demo

# The demo's report in a real Chromium ($CHROMIUM, else on PATH): axe-core, console, pictures.
look: demo node_modules/.ready
	@node look/look.mjs .sandbox/look .sandbox/demo.html

# A local fleet to try the command line on, until interrupted.
sandbox: $(READY)
	@$(BIN)/python -m sandbox

# Makes what CDK deploys through, once for each account and Region.
bootstrap: $(READY) node_modules/.ready
	npx cdk bootstrap

# Deploys what cdk.json says to the account of the environment.
deploy: $(READY) node_modules/.ready
	npx cdk deploy --all

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What the probe says of instances that answer as badly as they can, as a table.
hostile: $(READY)
	@$(BIN)/python -m tests.probe.hostile_table

# The search for a wrong kill at length: 200,000 steps, from another seed with SEED=1.
soak: $(READY)
	$(BIN)/python -m tests.search.soak --steps 200000 --seed $(or $(SEED),0)

# Changes the decision in small ways, one at a time: does a test fail each time?
mutants: $(READY)
	nice -n 10 $(BIN)/python -m tests.mutation $(MODULES)

# A real deployment to a local AWS, from upload to convergence.
e2e: $(READY) node_modules/.ready
	$(BIN)/python -m e2e

# What it costs, beside its floors; rewrites the tables of docs/performance.md.
bench: $(READY)
	@$(BIN)/python -m benchmarks

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m infra.checks

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Pins again what requirements.in and lambdas/requirements.in name.
lock: $(READY)
	$(BIN)/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header -o lambdas/requirements.txt lambdas/requirements.in
	$(BIN)/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header -o requirements.txt requirements.in

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 1; }
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

node_modules/.ready: package.json package-lock.json
	@echo "setting up node_modules"
	@npm ci --silent --no-audit --no-fund
	@touch $@

clean:
	rm -rf .venv node_modules cdk.out .sandbox mutants lambdas/*.egg-info \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
