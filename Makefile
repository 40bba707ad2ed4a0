# Two commands do everything on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help new-channel setup demo run check test test-unit test-browser test-packages lint format bench chaos screenshots lock clean

# Where it is set, each of the many processes that the tests start would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
# The first that is there drives the browser tests (tests/browser/browser_launch.py looks for the same).
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
PYTHONS := python3 python3.13 python3.12 python3.11 python3.14 python
# Stated here and in pyproject.toml (requires-python).
IS_FIT := import sys, venv, ensurepip; sys.exit(not ((3, 11) <= sys.version_info < (3, 15)))

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## the environment in .venv, from requirements.lock; quick when nothing changed

$(STAMP): requirements.lock pyproject.toml
	@set -e; \
	for candidate in $(PYTHONS); do \
	  if command -v $$candidate >/dev/null 2>&1 && $$candidate -c '$(IS_FIT)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  $(call apt_install,python3 python3-venv); \
	  if python3 -c '$(IS_FIT)' >/dev/null 2>&1; then python=python3; fi; \
	fi; \
	if [ -z "$$python" ]; then \
	  echo "Tertulia needs Python 3.11 to 3.14 with its venv module, and none of these is one: $(PYTHONS)." >&2; \
	  echo "On Debian or Ubuntu: apt install python3 python3-venv. Elsewhere: python.org/downloads, uv or pyenv." >&2; \
	  exit 1; \
	fi; \
	if ! $(BIN)/python -c '$(IS_FIT)' >/dev/null 2>&1; then \
	  echo "Making $(VENV) with $$($$python --version)"; $$python -m venv --clear $(VENV); \
	fi; \
	echo "Installing what requirements.lock names (about a minute the first time)"; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .; \
	touch $(STAMP)

# Install with apt where there is apt and the right to use it; else say what to install. Never fails.
define apt_install
if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
  apt-get install -y -q $(1) >/dev/null 2>&1 || { apt-get update -q >/dev/null 2>&1; apt-get install -y -q $(1) >/dev/null 2>&1; } || echo "apt could not install: $(1)" >&2; \
elif command -v apt-get >/dev/null 2>&1 && sudo -n true 2>/dev/null; then \
  sudo -n apt-get install -y -q $(1) >/dev/null 2>&1 || echo "apt could not install: $(1)" >&2; \
else echo "Missing on this machine: $(1). Install it with the system's package manager." >&2; fi
endef

demo: setup ## see the whole product in the browser: phones, web chat, desk, pipeline
	@$(BIN)/tertulia demo

run: setup ## the server, with the settings in tertulia.toml
	@$(BIN)/tertulia run

check: setup ## what is wrong with the settings, a line each
	@$(BIN)/tertulia check

test-packages:
	@command -v redis-server >/dev/null 2>&1 || { $(call apt_install,redis-server); }
	@for each in $(BROWSERS); do command -v $$each; done | grep -q . \
	  || { echo "Installing Chromium for the browser tests"; $(call apt_install,chromium); }

# Files are shared out among two processes, as many as a small machine has cores: most tests start gateways beside
# themselves, and with a third process some run out of patience. Each has its own PostgreSQL. In the order of their names,
# so that the quick ones come last and fill the gaps.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

test: setup test-packages ## the whole suite: unit, contract, system, browser
	@$(BIN)/python -m pytest $(PARALLEL)

test-unit: setup ## only the fast tests, under a minute
	@$(BIN)/python -m pytest $(PARALLEL) tests/unit

test-browser: setup test-packages ## only the tests in headless Chromium (TERTULIA_BROWSER_DELAY_MS=300: on a slow machine and line)
	@$(BIN)/python -m pytest $(PARALLEL) tests/browser

lint: setup ## style, types, floors
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## put the code in its form
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format --quiet

bench: setup ## measure the pipeline against a bare handler and a bare relay, then thousands of open web chats
	@$(BIN)/tertulia bench pipeline
	@$(BIN)/tertulia bench sockets
	@$(BIN)/tertulia bench parse

chaos: setup test-packages ## the fault tests, the kills and restarts at full size (20,000 webhooks, 500 people, 1,000 handoffs)
	@TERTULIA_CHAOS_MESSAGES=20000 TERTULIA_CHAOS_PEOPLE=500 TERTULIA_CHAOS_CHATS=500 \
	  $(BIN)/python -m pytest -rP tests/system/test_fault_*.py tests/system/test_webchat_restart.py
	@$(BIN)/tertulia bench handoff --seconds 0

screenshots: setup test-packages ## the pictures of the README, from the product itself
	@PYTHONPATH=tests $(BIN)/python tests/browser/screenshots.py docs/images

new-channel: setup ## a channel to begin with: make new-channel NAME=acme
	@$(BIN)/python -m channels._skeleton "$(NAME)"

lock: setup ## resolve the dependencies again, newest that fit, into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra dev --extra batch --extra bedrock --extra zendesk --universal --python-version 3.11 --upgrade --quiet \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file requirements.lock
	@if grep -nE 'https?://|--(index|extra-index|find-links)' requirements.lock; then \
	  echo "requirements.lock names a host" >&2; exit 1; fi

clean: ## remove what was built; data and settings stay
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
