# Everything a newcomer runs and everything CI runs. Each target sets up what it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup run test lint format docs bench tamper-demo crash-demo lock

help:  ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(VENV)/.main: requirements/main.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and \
	  "Provenance takes Python 3.11 or newer; $(PYTHON) is %d.%d. Name another: make setup PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/main.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q provenance provenance_client migrations
	@touch $@

$(VENV)/.dev: $(VENV)/.main requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.main  ## Make .venv with .venv/bin/provenance in it.

run: setup  ## Start everything: database, migrations, server and worker on http://localhost:7300.
	$(BIN)/provenance up

lint: $(VENV)/.dev  ## Style, strict types and import layers.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Rewrite the code in the house style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.main  ## Write docs/reference and the page's error codes from the code.
	$(BIN)/python -m provenance.reference

test: lint  ## Everything CI runs: lint, types, layers, tests.
	$(BIN)/python -m tests

bench: $(VENV)/.dev  ## Measure: rates, latencies and their ratio to the raw limit in the same run.
	$(BIN)/python -m bench

tamper-demo: $(VENV)/.main  ## Tamper with a ledger in every way we know, and see each found out.
	$(BIN)/python -m demo.tamper

crash-demo: $(VENV)/.main  ## Kill workers, server and database while a thousand runs go; count what is lost.
	$(BIN)/python -m demo.crash

lock: $(VENV)/.dev  ## Pin the libraries anew from requirements/*.in.
	cd requirements && for f in main billing dev; do ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --allow-unsafe --no-header \
	  --output-file $$f.txt $$f.in; done
