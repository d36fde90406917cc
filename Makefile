# `make` lists the targets. They need Python 3.11 or newer and the package index. `test` also needs Temporal's test
# server: the Temporal SDK downloads it, or Java and Maven get it.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ENV := $(VENV)/.stamp
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

.PHONY: env
env: $(ENV) ## Make the environment in .venv (PYTHON=python3.12 to choose the interpreter)

# --clear: an environment of another interpreter or an unfinished one cannot be repaired.
$(ENV): requirements/dev.txt
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) not found: install Python 3.11 or newer, or name it: make env PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$($(PYTHON) --version) is too old. Use Python 3.11 or newer: make env PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
		exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: lock
lock: $(ENV) ## Lock requirements/*.in to *.txt (UPGRADE=1 for the newest versions)
	$(COMPILE) requirements/app.in --output-file requirements/app.txt
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt

.PHONY: format
format: $(ENV) ## Format the code and fix what ruff can fix
	$(PY) -m ruff check --fix --exit-zero --quiet .
	$(PY) -m ruff format .

.PHONY: lint
lint: $(ENV) ## Check style, format, imports and spelling
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	@report=$$($(VENV)/bin/lint-imports --no-logo) || { echo "$$report" >&2; exit 1; }
	$(PY) -m codespell_lib

.PHONY: types
types: $(ENV) ## Check types
	$(PY) -m mypy .

# Three processes, each with its own servers: most of a test's time is waiting.
JOBS ?= 3

.PHONY: test
test: $(ENV) lint types ## Lint, check types, then run all tests but those of the browser, Postfix and deploy/
	$(PY) -m tests -n $(JOBS) --dist worksteal tests/unit tests/docs tests/workflows tests/integration tests/upgrade \
		tests/faults tests/replay

.PHONY: test-faults
test-faults: $(ENV) ## Run only the fault tests and print each result (part of `make test`)
	$(PY) -m tests -n $(JOBS) --dist worksteal --faults-line tests/faults

.PHONY: test-browser
test-browser: $(ENV) ## Run the tests in Chromium
	$(PY) -m tests tests/browser

.PHONY: test-mta
test-mta: $(ENV) ## Run the tests against a real Postfix and PgBouncer (as root; Debian: postfix postgrey sasl2-bin libsasl2-modules pgbouncer)
	$(PY) -m tests tests/mta

.PHONY: test-deploy
test-deploy: $(ENV) ## Let the programs that read them check the files in deploy/ (Debian: systemd prometheus)
	$(PY) -m tests tests/deploy

.PHONY: production-check
production-check: $(ENV) ## Run what docker-compose.yml says without containers, and kill each part (builds Temporal's server once)
	$(PY) -m tests --faults-line -o timeout=1800 tests/production

.PHONY: demo
demo: $(ENV) ## Run everything on this machine (ONCE=1 to end after one scan, DATA=folder for your own data)
	$(PY) -m local.demo $(if $(ONCE),--once) $(if $(DATA),--data "$(DATA)")

.PHONY: demo-clean
demo-clean: $(ENV) ## Remove the demo's data
	@$(PY) -m local.embedded.locks .demo
	rm -rf .demo

.PHONY: histories
histories: $(ENV) ## Record the workflow histories that the replay tests use
	$(PY) -m tests.replay.record

.PHONY: bench
bench: $(ENV) ## Run the benchmarks
	$(PY) -m bench

.PHONY: release
release: $(ENV) ## Check that everything of a release is in place (VERSION=0.6.0)
	@$(PY) -m deploy.release $(if $(VERSION),$(VERSION),$(error name the release: make release VERSION=0.6.0))

.PHONY: env-example
env-example: $(ENV) ## Write .env.example from settings.py
	$(PY) -m deploy.env_example

.PHONY: sbom
sbom: $(ENV) ## Write sbom.json, the list of all packages in the image (CycloneDX)
	$(PY) -W ignore -m cyclonedx_py requirements requirements/app.txt --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.json

.PHONY: audit
audit: $(ENV) ## Ask for known vulnerabilities of our packages (status 3: not checked, since no service answered)
	@$(PY) -m deploy.audit

.PHONY: secrets
secrets: ## Make the secret files that docker-compose.yml reads
	sh deploy/make-secrets.sh

.PHONY: clean
clean: ## Remove the environment and the caches of the tools
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
