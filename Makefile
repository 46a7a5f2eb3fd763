# make demo and make test do all their own set-up: they need python3 (3.11 or later) and a package index.
# torch goes in first, by itself, and stays pinned in every later install, so nothing can replace it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  := torch==2.13.0
PIP    := $(BIN)/python -m pip

export PIP_QUIET := 1
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export HF_HUB_OFFLINE := 1

.PHONY: demo test test-browser check clean

demo: $(VENV)/.installed
	$(BIN)/vidskim demo

test: check
	$(BIN)/python -m pytest

# everything but the tests
check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PIP) check
	@$(BIN)/python -c "import importlib.util as u, sys; sys.exit('torchvision is installed: it replaces torch' if u.find_spec('torchvision') else 0)"

# the page of vidskim serve in a real Chromium; apart from `test`, which needs no browser
test-browser: $(VENV)/.installed-browser
	@command -v chromium || (apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium) || \
		{ echo 'test-browser needs chromium on the PATH, and apt-get cannot install it here (root and Debian needed)'; exit 1; }
	$(BIN)/python -m pytest tests/browser

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# the stamps live inside the environment: removing it removes them, and a newer pyproject.toml installs again
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: | $(BIN)/python
	$(PIP) install '$(TORCH)'
	@touch $@

$(VENV)/.installed: pyproject.toml Makefile | $(VENV)/.torch
	$(PIP) install '$(TORCH)' -e '.[serve]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml Makefile | $(VENV)/.torch
	$(PIP) install '$(TORCH)' -e '.[dev,plot,serve]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-browser: $(VENV)/.installed-dev
	$(PIP) install '$(TORCH)' -e '.[dev,plot,serve,browser]'
	@touch $@
