# Two commands do everything: `make run` and `make test`. Both install what they need into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SDKS := 0.49.87 0.20.1 0.1.1

.PHONY: run test check lint format test-livekit bench clean

run: .venv/server
	$(BIN)/hansard serve --demo

test: lint $(SDKS:%=.envs/syllable-%/ready)
	$(BIN)/python -m pytest -n 2 -m "not livekit"

# What to run while working: the same without the long suites.
check: lint $(SDKS:%=.envs/syllable-%/ready)
	$(BIN)/python -m pytest -n 2 -m "not livekit and not long"

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A step of its own: the framework is large and must not slow the others.
test-livekit: .envs/livekit/ready
	.envs/livekit/bin/python -m pytest tests/livekit

bench: .venv/dev
	$(BIN)/python bench/ingest.py
	$(BIN)/python bench/lists.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/server: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[server,postgres]'
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[server,postgres,dev]'
	touch $@ .venv/server

# The published SDKs pin what they need against each other, so each has an environment of its own.
.envs/syllable-%/ready:
	$(PYTHON) -m venv .envs/syllable-$*
	.envs/syllable-$*/bin/python -m pip install --quiet --disable-pip-version-check syllable-sdk==$*
	touch $@

.envs/livekit/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .envs/livekit
	.envs/livekit/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[server,livekit]' syllable-sdk==0.49.87 pytest pytest-timeout pytest-xdist
	touch $@

clean:
	rm -rf .venv .envs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
