# make demo: install and play; make test: the whole suite; make lint: style and types.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Processes that run tests at the same time.
JOBS ?= 2
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint docs bench clean install

install: $(INSTALLED)

$(INSTALLED): pyproject.toml baselines/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("WideSeek needs Python 3.11 or newer, but $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.12 …") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null 2>&1; then \
	    VIRTUAL_ENV=$(VENV) uv pip install --quiet -e ".[dev]" -e baselines; \
	else \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" -e baselines; \
	fi
	@touch $@

demo: install
	$(BIN)/wideseek demo

# Modules are compiled once for all the processes that tests start, whatever is the custom of the machine.
COMPILED := env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CURDIR)/build/compiled

test: install
	$(COMPILED) $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python .ci/imports
	$(BIN)/python .ci/prose

# The site in build/docs; warnings are errors.
docs: install
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

# The benchmarks of docs/benchmarks.md that need no data. Prints the change since the last run, or since BASELINE=FILE.
bench: install
	@mkdir -p build/bench
	$(BIN)/python -m pytest benchmarks --benchmark-only -o addopts= -q --benchmark-json=build/bench/new.json
	@$(BIN)/python benchmarks/compare.py build/bench/new.json $(or $(BASELINE),$(wildcard build/bench/latest.json))
	@mv build/bench/new.json build/bench/latest.json

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
