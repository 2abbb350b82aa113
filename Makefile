# Everything runs in .venv, which is made on first use. `make` alone says what there is.

PYTHON ?= python3
JOBS ?= 2
VENV := $(CURDIR)/.venv
INSTALLED := $(VENV)/.installed
export PATH := $(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install run test test-nightly test-all test-kills test-lowest test-newest check format docs constraints ui clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

install: $(INSTALLED) ## Make .venv with the pinned packages

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "kdpipe needs Python 3.11 or newer; run: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	command -v uv > /dev/null || $(VENV)/bin/python -m pip install --quiet uv
	uv pip install --python $(VENV)/bin/python --compile-bytecode --constraint constraints.txt --editable '.[dev]'
	touch $@

run: install ## Check params.yaml, then do what is not up to date, JOBS=2 stages side by side
	kdpipe check
	kdpipe repro --jobs $(JOBS)
	kdpipe show

SIDE_BY_SIDE := OMP_NUM_THREADS=1 pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test: check ## Lint, types, import contracts, tests
	$(SIDE_BY_SIDE) -m "not nightly"

test-nightly: install ## The other tests: more kills, stores, tasks and families
	$(SIDE_BY_SIDE) -m nightly

test-all: test test-nightly ## Both

# The quick tests in an environment of their own, which is made again each time.
define quick_tests_in
	uv venv --quiet --clear --python $(VENV)/bin/python $(VENV)-$(1)
	uv pip install --quiet --python $(VENV)-$(1)/bin/python --resolution $(2) --editable '.[dev]'
	PATH="$(VENV)-$(1)/bin:$$PATH" OMP_NUM_THREADS=1 $(VENV)-$(1)/bin/python -m pytest -m "not slow" \
		--numprocesses 4 --dist loadfile
endef

test-kills: install ## Kill the pipeline 200 times, and count the epochs that are trained twice (an hour or two)
	OMP_NUM_THREADS=1 python -m tests.kills 200

test-lowest: install ## Quick tests with the lowest versions that pyproject.toml allows
	$(call quick_tests_in,lowest,lowest-direct)

test-newest: install ## Quick tests with the newest releases
	$(call quick_tests_in,newest,highest)

check: install ## Lint, types and import contracts only
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: install ## Format the code
	ruff format .
	ruff check --fix .

docs: install ## Build the documentation into site/
	typer kdpipe.cli utils docs --name kdpipe --title Commands --output docs/commands.md
	zensical build --strict

constraints: install ## Pin the newest packages that fit pyproject.toml
	uv pip compile --quiet --universal --upgrade --extra dev --no-emit-index-url --output-file constraints.txt pyproject.toml

ui: install ## Open MLflow's pages on this project's runs
	kdpipe ui

clean: install ## Offer to remove the folders of trainings that params.yaml no longer names
	kdpipe clean
