# Two commands do everything: `make run` and `make test`. Both install what they need into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SDKS := 0.49.87 0.20.1 0.1.1
LIGHT := not livekit and not openai_agents and not pipecat

.PHONY: run test check lint format test-frameworks test-livekit test-openai-agents test-pipecat bench clean

run: .venv/server
	$(BIN)/hansard serve --demo

test: lint $(SDKS:%=.envs/syllable-%/ready)
	$(BIN)/python -m pytest -n 2 -m "$(LIGHT)"

# What to run while working: the same without the long suites.
check: lint $(SDKS:%=.envs/syllable-%/ready)
	$(BIN)/python -m pytest -n 2 -m "$(LIGHT) and not long"

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Steps of their own: the frameworks are large, pin against each other, and must not slow the other tests.
test-frameworks: test-livekit test-openai-agents test-pipecat

test-livekit: .envs/livekit/ready
	.envs/livekit/bin/python -m pytest tests/livekit

test-openai-agents: .envs/openai-agents/ready
	.envs/openai-agents/bin/python -m pytest tests/openai_agents

test-pipecat: .envs/pipecat/ready
	.envs/pipecat/bin/python -m pytest tests/pipecat

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

.envs/livekit/ready .envs/openai-agents/ready .envs/pipecat/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[server,$(notdir $(@D))]' syllable-sdk==0.49.87 pytest pytest-timeout pytest-xdist
	touch $@

clean:
	rm -rf .venv .envs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
