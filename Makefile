# RiskDesk: `make run` starts a desk on this machine, `make test` proves it. Everything else helps with those two.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help run install install-dev chromium test test-fast test-faults bench lint format lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: .venv/.installed ## start the whole desk (PORT, RISKDESK_DEMO_ACCOUNTS, … in the environment or .env)
	@exec $(BIN)/python manage.py run_desk

install: .venv/.installed ## make .venv with what RiskDesk runs on

install-dev: .venv/.installed-dev

test: .venv/.installed-dev chromium ## the whole suite but the slow fault and load tests
	@$(BIN)/python -m scripts.suite

test-fast: .venv/.installed-dev ## unit tests only: no server, no browser
	$(BIN)/python -m pytest -m "not e2e and not slow and not services"

test-faults: .venv/.installed-dev chromium ## the slow tests: kills, floods, long runs
	$(BIN)/python -m pytest -m slow

bench: .venv/.installed-dev ## the benchmarks: prints ratios, writes bench.json
	$(BIN)/python -m tests.bench

lint: .venv/.installed-dev ## ruff, mypy and the import contract
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: .venv/.installed-dev ## let ruff put the code in order
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

lock: .venv/.installed-dev ## rewrite the lock files (UPGRADE=--upgrade for newer versions)
	@for name in requirements requirements-dev; do \
	  $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links $(UPGRADE) $$name.in --output-file $$name.txt || exit 1; \
	done

chromium: .venv/.installed-dev
	@$(BIN)/python -m scripts.chromium

clean: ## remove the desk's state and every cache (.venv stays)
	@if $(BIN)/python -c 'import django, psutil' 2>/dev/null; then $(BIN)/python -m riskdesk.removal; else rm -rf .riskdesk; fi
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage .coverage.* \
	  test-artifacts bench.json
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "RiskDesk needs Python 3.11 or newer; '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Install one and name it: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@if $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then :; else \
	  echo "making .venv"; rm -rf .venv; $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }; \
	fi
	@touch $@

.venv/.installed: requirements.txt | .venv/.python
	@echo "installing what RiskDesk runs on (a minute or two at the first time)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@echo "installing what the tests need"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
