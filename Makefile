# Everything here needs python3 (3.11 or newer) and make, nothing else. Two stamps in .venv remember what is installed;
# each is renewed when its lock file changes. A .venv made by hand is taken as it is and completed.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check --quiet
READY     := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# folders of programs for Node.js, which only tests run
NODE_FOLDERS := tests/clients examples/typescript-client
GRAPHIQL := server/graphiql

ENOUGH := import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version)

# without compiled modules every start of a process takes seconds longer
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test check bench chaos browser clients graphiql faults fuzz schemathesis thorough mutants cover lock schema openapi clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

setup: $(READY) ## make .venv and install what the server runs on

run: $(READY) ## start the demo: two tenants, one package, live progress
	@! command -v npm > /dev/null || $(MAKE) --no-print-directory graphiql || echo "GraphiQL could not be made: a smaller page is served"
	@$(PY) -m server demo

test: $(READY_DEV) $(if $(shell command -v npm),clients graphiql) ## run all tests, on SQLite and on PostgreSQL
	$(PY) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(READY_DEV) ## lint, format, types, house rules and unit tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest --quiet --numprocesses 2 $(wildcard tests/house tests/unit)

bench: $(READY_DEV) ## run the workloads, each beside its limit; ARGS="..." is passed on
	@$(PY) -m bench $(ARGS)

chaos: $(READY_DEV) ## kill the server at every point of a table, and look; ARGS="--repeats 20 --database postgres --store s3 --minutes 5"
	CHAOS_EXAMPLES=100 $(PY) -m pytest --quiet -o timeout=3600 tests/chaos/test_whatever_happens.py
	@$(PY) -m tests.chaos $(ARGS)

schemathesis: $(READY_DEV) ## make up requests from the OpenAPI document and the GraphQL schema
	THOROUGH=1 $(PY) -m pytest --quiet -o timeout=3600 tests/doors/test_generated_requests.py

thorough: $(READY_DEV) ## try every bad token on every route, every foreign id in every form, and races a hundred times
	THOROUGH=1 $(PY) -m pytest --quiet -o timeout=3600 tests/doors/test_bad_tokens.py tests/doors/test_foreign_ids.py tests/doors/test_foreign_nodes.py tests/doors/test_races.py

browser: ## install Chromium, in which tests open web pages (Debian, as root)
	@command -v chromium > /dev/null || { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; }

clients: $(NODE_FOLDERS:%=%/node_modules/.package-lock.json) ## install the npm packages of the client tests and the TypeScript client

graphiql: $(GRAPHIQL)/dist/page.html ## make GraphiQL, the page at /graphql; without it a smaller page is served

faults: $(READY_DEV) ## try what may fail around the server, from full disks to lost commits; ARGS="-k clock" for some
	$(PY) -m pytest tests/faults tests/faults/long.py $(ARGS)

fuzz: $(READY_DEV) ## fuzz the readers of foreign bytes, 60 seconds each; ARGS="600 bundle" for one of them, ARGS=--owed for what a release asks
	@$(PY) -m tests.fuzz $(ARGS)

mutants: $(READY_DEV) ## try whether the tests notice seeded faults; ARGS="upload lease" for some of them
	@$(PY) -m tests.mutants $(ARGS)

cover: $(READY_DEV) ## run all tests and report branch coverage
	$(PY) -m coverage run -m pytest
	$(PY) -m coverage report

LOCK := $(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

lock: $(PY) ## compile requirements*.in into requirements*.txt; ARGS="--upgrade" for newer versions
	$(PIP) install uv
	$(LOCK) $(ARGS) requirements.in --output-file requirements.txt
	$(LOCK) $(ARGS) --constraints requirements.txt requirements-dev.in --output-file requirements-dev.txt

schema: $(READY) ## print the GraphQL schema into schema/schema.graphql
	$(PY) -m server print-schema > schema/.printed || { rm -f schema/.printed; exit 1; }
	mv schema/.printed schema/schema.graphql

openapi: $(READY) ## print the REST routes' OpenAPI document into rest_compat/openapi.json
	$(PY) -m server print-openapi > rest_compat/.printed || { rm -f rest_compat/.printed; exit 1; }
	mv rest_compat/.printed rest_compat/openapi.json

clean: ## remove .venv and the tools' caches; data/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage $(NODE_FOLDERS:%=%/node_modules) $(GRAPHIQL)/node_modules $(GRAPHIQL)/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c '$(ENOUGH)'
	$(PYTHON) -m venv $(VENV)

$(READY): requirements.txt | $(PY)
	@$(PY) -c '$(ENOUGH)'
	@$(PY) -m pip --version > /dev/null 2>&1 || $(PY) -m ensurepip
	@echo "Installing what the server runs on into $(VENV) (about a minute the first time)"
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@

$(READY_DEV): requirements-dev.txt $(READY)
	@echo "Installing what checks and tests need"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

$(GRAPHIQL)/dist/page.html: $(GRAPHIQL)/node_modules/.package-lock.json $(wildcard $(GRAPHIQL)/*.*)
	@echo "Making GraphiQL"
	@cd $(GRAPHIQL) && npm run --silent build

%/node_modules/.package-lock.json: %/package-lock.json
	@echo "Installing the npm packages of $*"
	@cd $* && npm ci --no-progress --loglevel=error
	@touch $@
