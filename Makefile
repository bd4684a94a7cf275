# Two commands for users: `make demo` and `make test`. Each creates the environment that it needs.

PYTHON ?= python3
VENV ?= .venv
# Only pip's errors are shown; `make demo PIPFLAGS=` shows everything.
PIPFLAGS ?= -qq

BIN := $(VENV)/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
	$(BIN)/python -m pip install $(PIPFLAGS) -c constraints.txt

.PHONY: demo test env lint types javascript examples readme docs check clean

demo: $(VENV)/.demo
	@$(BIN)/python examples/demo.py

test: $(VENV)/.test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

# Everything that the targets below need.
env: $(VENV)/.dev

# Also common misspellings in code, comments and documents.
lint: $(VENV)/.dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/codespell

types: $(VENV)/.dev
	$(BIN)/python -m mypy

# Format, lint and types of the pages' JavaScript. Nothing else needs Node.
javascript: node_modules/.installed
	npm run --silent check

# EXAMPLES="examples/*.py" leaves out the notebooks.
examples: $(VENV)/.test
	$(BIN)/python tools/run_examples.py $(EXAMPLES)

readme: $(VENV)/.test
	$(BIN)/python tools/run_readme.py
	$(BIN)/python tools/run_readme.py docs/characters.md
	$(BIN)/python tools/run_readme.py docs/experiments.md
	$(BIN)/python tools/run_readme.py docs/runs.md
	$(BIN)/python tools/run_readme.py docs/scale.md
	$(BIN)/python tools/run_readme.py docs/reports.md
	$(BIN)/python tools/run_readme.py docs/install.md
	$(BIN)/python tools/run_readme.py docs/tour.md
	$(BIN)/python tools/run_readme.py docs/teaching.md
	$(BIN)/python tools/run_readme.py docs/torch7_files.md

# The site, in build/site; ZAREMBA_QUICK=1 runs its notebooks on small settings.
docs: $(VENV)/.docs
	$(BIN)/python -m tools.site.build

check: test lint types javascript examples readme docs

clean:
	rm -rf $(VENV) node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) was not found. Install Python 3.10 or newer, or name yours: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "Python 3.10 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	  echo "If you have a newer one, name it: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot create virtual environments: its venv module is missing."; \
	  echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: setup.py constraints.txt | $(BIN)/python
	@echo "Installing torch and what else is needed into $(VENV): some minutes, the first time."
	@torch=$$(grep '^torch==' constraints.txt); $(PIP) "$$torch" || { \
	  echo "pip could not install $$torch for this Python ($$($(BIN)/python --version)) and platform."; \
	  echo "make $(MAKECMDGOALS) PIPFLAGS= shows all that pip says."; exit 1; }
	@$(PIP) -e '.[plot]'
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	@$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	@$(PIP) -e '.[docs]'
	@touch $@

node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { \
	  echo "npm was not found: the JavaScript is checked with Node 18.18 or newer and npm."; \
	  echo "On Debian and Ubuntu: apt-get install nodejs npm"; exit 1; }
	npm ci --no-audit --no-fund
	@touch $@
