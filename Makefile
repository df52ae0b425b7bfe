PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 3

unexport PYTHONDONTWRITEBYTECODE  # every process would compile the project anew

.DEFAULT_GOAL := help
.PHONY: help install sweep test test-fast lint chaos hosts bench clean

help:  ## Show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(VENV)/.installed  ## Build .venv from pyproject.toml and constraints.txt

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

sweep: install  ## Search text_hyper on the built-in data set (ARGS="--trials 24 …" for more)
	$(BIN)/python -m orchestrator.sweep --variant text_hyper $(ARGS)

test: install  ## Run every test, in three processes, since many wait (JOBS=1 for one)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: install  ## Run the unit tests: no Ray cluster, server, sweep or training, in two processes
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m unit -n $(if $(filter 1,$(JOBS)),1,2) --dist worksteal $(ARGS)

lint: install  ## Check format, style, types, import contracts, prose and encodings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_prose.py
	$(BIN)/python .ci/check_encoding.py

chaos: install  ## Run sweeps under random faults and compare their records (ARGS="0:20" for 20 of them)
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.chaos $(ARGS)

hosts: install  ## Run a sweep on a cluster of hosts in network namespaces, as root, and say each step
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.multihost $(ARGS)

bench: install  ## Measure encoders, fine-tuning, trainings, ledger, recorder, scoring, slots and the data plane
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## Remove .venv and caches; sweeps and MLflow's database stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build *.egg-info
