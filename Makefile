# Everything a fresh machine needs: Python 3.11 or newer, and make.
#   make study      the main job: ablate run studies/pruning_ratio.yaml
#   make test       format, lint, types and the suite
#   make test-all   the same with the slow tests (browser, servers)
#
# PYTHON       the interpreter that .venv is made with
# TORCH_INDEX  a package index that offers CPU builds of torch, for Linux machines without a GPU

PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: study test test-all check install clean

study: $(VENV)/installed
	$(BIN)/ablate run studies/pruning_ratio.yaml

test: check
	$(BIN)/pytest -n 2

test-all: check
	$(BIN)/pytest -n 2 -m "not slow"
	$(BIN)/pytest -m slow -rs

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pose-ablate needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
