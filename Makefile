# Two commands do everything: `make run` and `make test`. Both install what they need into .venv.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SDKS := 0.49.87 0.20.1 0.1.1
LIGHT := not livekit and not openai_agents and not pipecat and not browser

.PHONY: run test test-long lint format test-frameworks test-livekit test-openai-agents test-pipecat test-console browser
.PHONY: pictures bench bench-peers clean

run: .venv/server
	$(BIN)/hansard serve --demo

test: lint $(SDKS:%=.envs/syllable-%/ready) .envs/s3/ready
	$(BIN)/python -m pytest -n 2 -m "$(LIGHT) and not long" --ignore tests/console

# Steps of their own: kills, shuffles, floods and a hundred thousand sessions take minutes.
test-long: .venv/dev $(SDKS:%=.envs/syllable-%/ready)
	$(BIN)/python -m pytest -n 2 -m "$(LIGHT) and long" --ignore tests/console

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The frameworks are large, pin against each other, and must not slow the other tests.
test-frameworks: test-livekit test-openai-agents test-pipecat

test-livekit: .envs/livekit/ready
	.envs/livekit/bin/python -m pytest tests/livekit

test-openai-agents: .envs/openai-agents/ready
	.envs/openai-agents/bin/python -m pytest tests/openai_agents

test-pipecat: .envs/pipecat/ready
	.envs/pipecat/bin/python -m pytest tests/pipecat

# The console, over HTTP and in a real browser.
test-console: .venv/dev browser
	$(BIN)/python -m pytest -n 2 -rs tests/console

# Debian's Chromium, and letters for it to show, where we may install them. Playwright's own would come from a CDN.
browser:
	@command -v chromium > /dev/null \
		|| { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq \
			&& apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null; } \
		|| echo "There is no chromium, and it cannot be installed from here: the tests that need it are skipped." >&2

# The screenshots in docs/pictures, anew.
pictures: .venv/dev browser
	HANSARD_TEST_PICTURES=1 $(BIN)/python -m pytest -m browser -k picture tests/console

# One table of what Hansard costs, each figure beside a control of the same run (bench/README.md). BENCH_SCALE=1M for more.
bench: .venv/dev
	$(BIN)/python -m bench

# The same sessions into other programs from PyPI, each in an environment of its own.
bench-peers: .venv/dev .envs/bench-phoenix/ready .envs/bench-mlflow/ready
	$(BIN)/python -m bench.peers

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/server: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[server,postgres]'
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[server,postgres,dev]'
	touch $@ .venv/server

# A server that speaks S3, for the tests of recordings; it brings much that nothing else needs.
.envs/s3/ready: constraints.txt
	$(PYTHON) -m venv .envs/s3
	.envs/s3/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		'moto[s3]' flask flask-cors
	touch $@

# The published SDKs pin what they need against each other, so each has an environment of its own.
.envs/syllable-%/ready:
	$(PYTHON) -m venv .envs/syllable-$*
	.envs/syllable-$*/bin/python -m pip install --quiet --disable-pip-version-check syllable-sdk==$*
	touch $@

.envs/bench-phoenix/ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check arize-phoenix==20.26.1
	touch $@

.envs/bench-mlflow/ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
	touch $@

.envs/livekit/ready .envs/openai-agents/ready .envs/pipecat/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[server,$(notdir $(@D))]' syllable-sdk==0.49.87 pytest pytest-timeout pytest-xdist
	touch $@

clean:
	rm -rf .venv .envs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
