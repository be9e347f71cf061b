# `make run` and `make test` are all the set-up there is.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: run test test-slow test-all lint types docs clean

run: $(VENV)/ready
	$(BIN)/kit run recipes/quickstart.yaml

test: $(VENV)/ready-dev lint types
	$(BIN)/python -m pytest -m "not slow" -n auto

test-slow: $(VENV)/ready-dev
	$(BIN)/python -m pytest -m "slow and not kills" -n auto

test-all: $(VENV)/ready-dev lint types
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/ready-dev
	$(BIN)/ruff check kit tests benchmarks
	$(BIN)/ruff format --check kit tests benchmarks
	$(BIN)/lint-imports 

types: $(VENV)/ready-dev
	$(BIN)/mypy

docs: $(VENV)/ready
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .kit .mypy_cache .ruff_cache .pytest_cache

$(VENV)/ready: constraints.txt setup.cfg
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -e . -c constraints.txt
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[dev]" -c constraints.txt
	touch $@
