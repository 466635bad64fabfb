# Everything a developer or visitor runs. Needs Python >= 3.10, make and PyPI.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
# Threads that spin while they wait make everything several times slower on a busy machine.
export OMP_WAIT_POLICY ?= PASSIVE
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUTPUT ?= outputs/demo
WORKERS ?= auto# processes that pytest uses; auto: one a core, 0: no further one

.PHONY: help install demo tiny8 test pytest lint format docs bench clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## install the tested versions into .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "error: $$($(PYTHON) --version) is too old, Python 3.10 or newer is needed: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## merge the shipped suite with OPCM and print the accuracies
	$(BIN)/fusion_bench method=opcm/opcm individual_accuracy=tiny8/individual.json seed=0 print_config=false \
	  fabric.loggers.root_dir=$(OUTPUT) fabric.loggers.name=opcm

tiny8: $(STAMP) ## rebuild the shipped suite from its sources (hours)
	$(BIN)/python -m tools.tiny8

test: lint docs pytest ## lint, types, docs, then all tests, also slow ones

# One BLAS thread a process: those of several processes would wait for each other.
pytest: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m 'slow or not slow'

lint: $(STAMP) ## ruff, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## format the code and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## build the documentation into site/
	$(BIN)/mkdocs build --strict --quiet

bench: $(STAMP) ## measure the speed and memory of a merge step
	$(BIN)/python benchmarks/opcm_step.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/ties_step.py

clean: ## remove everything that can be built again, except .venv and data
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
