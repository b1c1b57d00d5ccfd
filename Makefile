.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup run test test-full check lock rights bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.installed ## install what is locked into .venv, nothing else

run: setup ## create the database, load the demo city, serve it
	$(BIN)/pointsbank demo --serve

test: setup ## all tests; what needs a browser or a system package skips with one loud line
	$(BIN)/python -m pytest

test-full: setup ## all tests, none skipped: installs browser and accounting tools where it can
	./.ci/install-system-packages
	POINTSBANK_TEST_FULL=1 $(BIN)/python -m pytest

check: setup ## ruff, types, import rules: seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -x tests/house

rights: setup ## write docs/rights.md anew from the table of rights
	$(BIN)/python -m pointsbank.access.rights_page > docs/rights.md

bench: setup ## the speed table: ratios against floors measured in the same run
	$(BIN)/pointsbank bench

lock: ## renew the locked requirements (needs uv)
	uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev pyproject.toml -o requirements/dev.txt
	uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -c requirements/dev.txt pyproject.toml -o requirements/run.txt

clean: ## remove what was built; books under var/ stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
