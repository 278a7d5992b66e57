# What can be done with this project. `make` alone prints it.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
RUN := $(VENV)/bin

export PYTHON

.PHONY: help setup run test check format test-faults bench schemas clean
.DEFAULT_GOAL := help

help: ## Print every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install everything into .venv (leaves .venv/bin/rapport)

$(READY): pyproject.toml uv.lock infra/setup/uv.sh
	@uv=$$(infra/setup/uv.sh) && "$$uv" sync --frozen --no-python-downloads --python "$(PYTHON)"
	@touch $@

run: setup ## Start the platform on 127.0.0.1:8080 with real purchases loaded
	@$(RUN)/rapport up --demo

test: setup ## Run every test (finds or installs a Chromium for the pages)
	$(RUN)/pytest -n 2 --dist worksteal

check: setup ## Format, lint, types and arrows
	$(RUN)/ruff format --check
	$(RUN)/ruff check
	$(RUN)/basedpyright
	$(RUN)/lint-imports

format: setup ## Format and mend what can be mended
	$(RUN)/ruff format
	$(RUN)/ruff check --fix

test-faults: setup ## The long form of the fault tests: 200 kills, about half an hour (KILLS=, SEED=)
	RAPPORT_TEST_KILLS=$(or $(KILLS),200) RAPPORT_TEST_SEED=$(SEED) $(RUN)/pytest -m faults --timeout 3000

bench: setup ## Measure the ledger beside others, in pairs (some minutes, on a quiet machine)
	@uv=$$(infra/setup/uv.sh) && "$$uv" pip install --quiet --python $(RUN)/python \
		--target .tools/bench umadb==0.7.8 || echo "UmaDB cannot be installed here; row L6 says so."
	@$(RUN)/python -m tests.bench $(BENCH)

schemas: setup ## List every kind of event the platform knows
	@$(RUN)/rapport list schemas

clean: ## Remove what setup and tests made; the data folder .rapport stays
	rm -rf $(VENV) .tools .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
