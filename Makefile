# Every hook and every CI job calls these targets.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
UI := services/gateway/ui
VENDOR := $(UI)/vendor/LICENSES.txt
NEWMAN := .venv/newman/6.2.2
# Of the order of tests, and of all that they draw by lot.
SEED = 1
# Processes of tests: one more than two cores, as many of them wait for what they started. With four
# it takes as long, and each test longer.
WORKERS = 3

.DEFAULT_GOAL := help
.PHONY: help install up test check fmt lock schemas docs screenshots bench chaos clean

help: ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-11s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "MiniRAG needs Python 3.11 to 3.13; set PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

$(VENDOR): $(STAMP) $(UI)/package-lock.json $(UI)/vendor.json
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(UI)/nodejs.lock
	@$(BIN)/python -m shared.cli.vendor && touch $@ || echo 'The dashboard needs the libraries that npm could not fetch; everything else works.'

$(NEWMAN): | $(STAMP)
	@npm install --silent --no-audit --no-fund --prefix $(@D) newman@$(@F) && touch $@ || echo 'The tests of the Postman collection need newman, which npm could not fetch.'

install: $(STAMP) $(VENDOR) $(NEWMAN) ## Make .venv and install everything from the locks

up: $(STAMP) $(VENDOR) ## The whole product on this machine: http://127.0.0.1:8000
	@$(BIN)/minirag up

test: $(STAMP) $(VENDOR) $(NEWMAN) ## All tests, against real servers that they start themselves; SEED=2 has another order
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --randomly-seed $(SEED) --hypothesis-seed $(SEED) --reruns 1

check: $(STAMP) ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(STAMP) ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(STAMP) ## Resolve requirements.lock anew
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --all-extras --quiet pyproject.toml -o requirements.lock

schemas: $(STAMP) ## Release the schemas of new messages
	$(BIN)/python -m tests.architecture.release_schemas

docs: $(STAMP) ## Write the generated pages of docs anew
	$(BIN)/python -m docs.generate

screenshots: $(STAMP) $(VENDOR) ## Pictures of every page, into docs/screenshots; needs Chromium
	$(BIN)/python -m docs.pictures

bench: $(STAMP) ## The figures of docs/figures.md
	$(BIN)/python -m bench.run

chaos: $(STAMP) ## Every fault there is, in another order each time; SEED=1 STORMS=10
	@$(BIN)/python -m tests.chaos --seed $(SEED) --storms $(or $(STORMS),10)

clean: ## Remove what was built; keeps .minirag
	rm -rf .venv $(UI)/vendor $(UI)/.tests build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
