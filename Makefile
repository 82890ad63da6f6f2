# The two commands: make demo, make test. Everything they need goes into .venv, data/ and nowhere else.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

export PYTHONUNBUFFERED = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo up test crash-points check format schemas bench histories pictures lock clean

help:
	@echo "make demo    a server, a worker, and orders that complete, fail and are compensated"
	@echo "make up      server, worker and page in the foreground, for use with $(BIN)/python starter.py"
	@echo "make test    the whole test suite, on real servers that it starts itself"
	@echo "make crash-points  a crash at every commit and operation, and at each pair around a charge or a refund"
	@echo "make check   ruff, mypy --strict, import-linter, activities, the table of reactions, and compatible events"
	@echo "make schemas write the schemas of all events, with publishers and consumers, to docs/events"
	@echo "make bench   the cost of an order in every way to run it, a bare workflow and DBOS included"
	@echo "make clean   remove .venv and data"
	@echo
	@echo "Ports taken? make demo TEMPORAL_PORT=7300 UI_PORT=8300 WEB_PORT=8301. To use your own server, set TEMPORAL_ADDRESS."

# Without its bytecode on disk, the workflow sandbox compiles the saga again for every order.
unexport PYTHONDONTWRITEBYTECODE

# Given on make's command line or in the environment, these reach every program below.
export DATA_DIR TEMPORAL_PORT UI_PORT WEB_PORT
ifndef DATA_DIR
unexport DATA_DIR
endif
ifndef TEMPORAL_PORT
unexport TEMPORAL_PORT
endif
ifndef UI_PORT
unexport UI_PORT
endif
ifndef WEB_PORT
unexport WEB_PORT
endif

$(INSTALLED): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	@if [ -L .venv ]; then echo ".venv is a symbolic link, and setting it up would empty what it points to: remove the link"; exit 1; fi
	@echo "Setting up .venv (once; about a minute, 1.2 GB on disk: real servers come along) ..."
	@$(PYTHON) -m venv --clear .venv || { \
		echo "Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock & pip=$$!; seconds=0; \
	while kill -0 $$pip 2>/dev/null; do \
		sleep 1; seconds=$$((seconds + 1)); \
		[ $$((seconds % 5)) -ne 0 ] || echo "  $$seconds s: $$(du -sm .venv | cut -f 1) MB are there"; \
	done; wait $$pip
	@touch $@
	@echo "Set-up done."

demo: $(INSTALLED)
	@$(BIN)/python -m lab demo

up: $(INSTALLED)
	@exec $(BIN)/python -m lab up

# Much of a test is waiting, so three go side by side; a file's tests stay together, on servers of their own.
TEST_WORKERS ?= -n 3 --dist loadfile --no-loadscope-reorder

test: $(INSTALLED)
	@$(BIN)/python -m pytest $(TEST_WORKERS) $(ARGS)

crash-points: $(INSTALLED)
	@CRASH_POINTS=1 $(BIN)/python -m pytest $(TEST_WORKERS) $(wildcard tests/test_crashes.py tests/*/test_crashes.py tests/*/test_every_crash.py) $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m activities
	$(BIN)/python -m choreography
	$(BIN)/python -m schemas --check

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(INSTALLED)
	@$(BIN)/python -m schemas $(ARGS)

bench: $(INSTALLED)
	@$(BIN)/python -c 'import dbos' 2>/dev/null || { echo "Installing DBOS, beside which an order is put (once) ..."; \
		$(BIN)/python -m pip install --require-hashes -r requirements-bench.lock | grep -v 'already satisfied'; }
	@$(BIN)/python -m lab bench $(ARGS)

histories: $(INSTALLED)
	@$(BIN)/python -m tests.record_histories

# The README's, from a real run.
pictures: $(INSTALLED)
	@$(BIN)/python -m tests.web.pictures

# Each keeps the versions that it has; tests/test_start_your_own.py sees to it that they are the same ones.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml
lock:
	$(COMPILE) -o requirements-core.lock
	$(COMPILE) --all-extras -o requirements.lock
	$(COMPILE) --all-extras --group dev -o requirements-dev.lock
	$(COMPILE) --all-extras --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock

clean:
	rm -rf .venv data
