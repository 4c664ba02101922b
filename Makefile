# The face of the project. `make demo` and `make test` do all their own set-up.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Every node is a process of its own, and every worker of the tests: without compiled modules each of
# them would compile all of it anew.
unexport PYTHONDONTWRITEBYTECODE
# Tests wait as much as they work: half as many workers again as there are cores.
WORKERS ?= $(shell expr \( $$(nproc 2>/dev/null || echo 2) \* 3 + 1 \) / 2)

.PHONY: demo test check sim bench load lock format clean setup

demo: $(VENV)/.runtime
	@$(BIN)/shouxin demo $(ARGS)

test: $(VENV)/.development
	@$(MAKE) --no-print-directory --jobs=2 check $(VENV)/.compiled
	@$(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder $(ARGS)

check: $(VENV)/.development
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

sim: $(VENV)/.runtime
	@$(BIN)/python -m simulator explore $(ARGS)

bench: $(VENV)/.development
	@$(BIN)/python -m loadtests.bench $(ARGS)

load: $(VENV)/.development
	@$(BIN)/python -m loadtests.load $(ARGS)

format: $(VENV)/.development
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

setup: $(VENV)/.development

# Locks name hashes and no addresses, so they serve behind any index.
LOCK := $(BIN)/pip-compile --quiet --no-config --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --annotation-style=line
lock: $(VENV)/.development
	$(LOCK) --all-build-deps --extra documents -o requirements.lock pyproject.toml
	$(LOCK) --all-build-deps --all-extras -c requirements.lock -o requirements-dev.lock pyproject.toml

$(VENV)/bin/pip:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed: sudo apt-get install -y python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "The venv module is needed: sudo apt-get install -y python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes --only-binary :all: --no-deps
# In an editable installation setuptools warns of folders named as the package; ours are the package.
OURS := PYTHONWARNINGS=ignore $(INSTALL) --no-index --no-deps --no-build-isolation -e .

# The pip that an older Python brings compares every file that an index offers with every platform
# there is; the one of the lock takes half as long for all the rest.
$(VENV)/.pip: requirements-dev.lock | $(VENV)/bin/pip
	@echo "setting up .venv (once)"
	@sed -n '/^pip==/,/# via/p' requirements-dev.lock >$(VENV)/pip.lock
	@$(LOCKED) --no-compile -r $(VENV)/pip.lock
	@touch $@

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.pip
	@$(LOCKED) -r requirements.lock
	@$(OURS)
	@touch $@

# Its lock has all of the other's, in the same versions. Of all that the tools bring, little is ever
# imported: it is compiled when it is.
$(VENV)/.development: requirements-dev.lock requirements.lock pyproject.toml | $(VENV)/.pip
	@echo "with the development tools"
	@$(LOCKED) --no-compile -r requirements-dev.lock
	@$(OURS)
	@touch $(VENV)/.runtime $@

# Else each of the workers would compile all modules and tests by itself. What fails here fails there.
$(VENV)/.compiled: $(VENV)/.development
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null || true
	@touch $@

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
