# Each target sets up what it needs; the second time there is nothing to do.
#
#   make run [PORT=8000]        the whole system on this machine, with nothing configured
#   make tour                   a walk through it that checks itself
#   make test [PYTEST_ARGS=…]   the tests, on real engines
#   make test-all               those too that take minutes
#   make bench                  the measurements
#   make lint                   style, types, direction of imports
#   make shots                  screenshots of every page (needs Chromium)
#   make lock [UPGRADE=1]       the locks, after a change in requirements*.txt
.PHONY: run tour test test-all bench lint shots lock
.DEFAULT_GOAL := run
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python

run: .venv/run.stamp
	@$(PYTHON) -m app.embedded

tour: .venv/dev.stamp
	@$(PYTHON) -m tests.tour

test: .venv/dev.stamp
	@$(PYTHON) -m pytest -n 2 -m "not slow" $(PYTEST_ARGS)

test-all: .venv/dev.stamp
	@$(PYTHON) -m pytest -n 2 $(PYTEST_ARGS)

bench: .venv/dev.stamp
	@$(PYTHON) -m bench

shots: .venv/dev.stamp
	@$(PYTHON) -m tests.shots

lint: .venv/dev.stamp
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@$(PYTHON) .venv/bin/lint-imports --no-cache --no-logo

COMPILE := $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url $(if $(UPGRADE),--upgrade)
lock: .venv/dev.stamp
	@$(COMPILE) requirements.txt --output-file requirements.lock
	@$(COMPILE) requirements-dev.txt --constraint requirements.lock --output-file requirements-dev.lock

# The newer lock installs what is missing; with hashes, so that nothing else can come in.
INSTALL := $(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes --requirement
.venv/run.stamp: requirements.lock | $(PYTHON)
	@echo "正在安装依赖（requirements.lock）……"
	@$(INSTALL) requirements.lock
	@touch $@

.venv/dev.stamp: requirements-dev.lock requirements.lock | $(PYTHON)
	@echo "正在安装依赖（requirements-dev.lock）……"
	@$(INSTALL) requirements-dev.lock
	@touch .venv/run.stamp $@

$(PYTHON):
	@for python in python3 python3.13 python3.12 python3.11; do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		$$python -c 'import ensurepip, venv' 2>/dev/null || { lame=$$python; continue; }; \
		rm -f .venv/*.stamp; \
		exec $$python -m venv .venv; \
	done; \
	if [ -n "$$lame" ]; then echo "$$lame 缺少 venv：请安装（Debian/Ubuntu：apt-get install python3-venv）。"; \
	else echo "需要 Python 3.11 或更高版本：请安装（Debian/Ubuntu：apt-get install python3 python3-venv）。"; fi >&2; \
	exit 1
