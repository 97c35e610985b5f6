PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
PYTEST = $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow test-all check format bench clean

help:  ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed  ## Install everything into .venv.

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all,dev]'
	@touch $@

demo: install  ## From real photographs to a robustness report, in minutes.
	$(BIN)/xray pipeline jobs/recipes/animals.yaml runs/animals

test: install  ## Run the fast tests.
	$(PYTEST) -m "not slow and not gpu"

test-slow: install  ## Run the slow tests: clusters, killed processes, browsers, R, notebooks, benchmarks, a GPU.
	$(PYTEST) -m "slow or gpu"

test-all: install  ## Run every test, with more random examples.
	$(PYTEST) --hypothesis-profile nightly

check: install  ## Lint, check the format, the layering and the types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

format: install  ## Format the code.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install  ## Measure speed and memory, each beside a rival.
	$(BIN)/python benchmarks/generate.py
	$(BIN)/python benchmarks/evaluate.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/masks.py
	$(BIN)/python benchmarks/removal.py
	$(BIN)/python benchmarks/pools.py
	$(BIN)/python benchmarks/plan.py
	$(BIN)/python benchmarks/cluster.py
	$(BIN)/python benchmarks/checks.py
	$(BIN)/python benchmarks/many_predictions.py
	$(BIN)/python benchmarks/inference_speed.py
	$(BIN)/python benchmarks/intervals.py
	$(BIN)/python benchmarks/train.py
	$(BIN)/python benchmarks/sweep.py

clean:  ## Remove what was installed and made.
	rm -rf .venv runs .mypy_cache .pytest_cache .ruff_cache .hypothesis
