# Everything that people and CI do here, by name. Needs Python 3.11 or newer; the rest is installed into .venv.
# Another interpreter: make install PYTHON=python3.13        Arguments for a command: make demo ARGS="--messages 3000"

PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
UV_INSTALL := $(BIN)/uv pip install --python $(BIN)/python -c constraints.txt
ARGS ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install demo starter test test-unit test-integration test-faults-quick test-faults test-cuda lint format clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/.installed ## set up .venv for everything below

demo: $(VENV)/.installed-demo ## watch messages flow through a real Kafka and a real model
	$(BIN)/gliclass-worker demo $(ARGS)

# With a folder of training sets the starter is trained, which needs more than building it does.
TRAINS_STARTER := $(findstring --data,$(ARGS))
starter: $(VENV)/.installed$(if $(TRAINS_STARTER),,-demo) ## build the starter checkpoint; ARGS="--data DIR" trains it again
	$(BIN)/python -m model.$(if $(TRAINS_STARTER),training.)starter $(ARGS)

# Each part collects only what it needs: that is half a minute of imports. Paths in ARGS take the place of testpaths.
PYTEST := $(BIN)/python -m pytest
WITH_KAFKA := tests/integration tests/benchmarks tests/worker/demo
# What waits for nothing may run side by side; with arguments it does not, as a debugger and -s want it.
SIDE_BY_SIDE := $(if $(ARGS),,--numprocesses=auto --maxprocesses=4 --dist=worksteal)

test: test-unit ## test-unit, then test-integration and test-faults-quick in one run
	$(PYTEST) -m "integration or (faults and quick)" -o testpaths="$(WITH_KAFKA) tests/faults" $(ARGS)

test-unit: $(VENV)/.installed ## rules and models, no Kafka
	$(PYTEST) -m "not integration and not faults and not cuda" --ignore=tests/integration --ignore=tests/faults \
	  --ignore=tests/cuda $(SIDE_BY_SIDE) $(ARGS)

test-integration: $(VENV)/.installed ## real workers on the embedded Apache Kafka
	$(PYTEST) -m integration -o testpaths="$(WITH_KAFKA)" $(ARGS)

test-faults-quick: $(VENV)/.installed ## the part of test-faults that fits into minutes
	$(PYTEST) -m "faults and quick" -o testpaths=tests/faults $(ARGS)

test-faults: $(VENV)/.installed ## workers and brokers killed, frozen and cut off; about two hours
	$(PYTEST) -m faults -o testpaths=tests/faults $(ARGS)

test-cuda: $(VENV)/.installed ## the model on a CUDA device against itself on the CPU
	$(PYTEST) -m cuda -o testpaths=tests/cuda $(ARGS)

lint: $(VENV)/.installed ## style, types, which room may import which, and links between documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/rumdl check .

format: $(VENV)/.installed ## put the code into the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and what tools left behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# The demo needs little; the full set satisfies it too, so whoever develops does not install twice.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV_INSTALL) -e '.[demo,otlp,train,bench,test,lint]'
	@touch $(VENV)/.installed-demo $@

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/uv
	$(UV_INSTALL) -e '.[demo]'
	@touch $@

$(BIN)/uv:
	@for candidate in $(PYTHON); do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	fail() { echo "make: $$1" >&2; exit 1; }; \
	test -n "$$python" || fail "no Python 3.11 or newer among: $(PYTHON); install one, or name it: make PYTHON=/path/to/python3"; \
	$$python -c 'import ensurepip, venv' 2>/dev/null || fail "$$python cannot make a virtual environment; on Debian: apt-get install python3-venv"; \
	echo "$$python -m venv $(VENV)"; $$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
