# Two commands on a fresh machine that has Python 3.11 or 3.12, pip, git and make:
#   make demo   the main job on New York's flights, from YAML to an endpoint that answers
#   make test   all tests
# Both install into .venv what requirements/*.txt lock by hash; stamps in .venv make the second time quick.

.DELETE_ON_ERROR:
.PHONY: help demo install test heal fuzz lint format schema bench lock clean

# The first of these interpreters that runs and has a supported version; `make PYTHON=/path/to/python demo` picks another.
PYTHON = $(firstword $(foreach python,python3.11 python3.12 python3,$(shell $(python) -c 'import sys; print("$(python)") if (3, 11) <= sys.version_info < (3, 13) else None' 2>/dev/null)))
NEEDS_PYTHON = test -n "$(PYTHON)" || { echo "mlx needs Python 3.11 or 3.12: install one, or say where it is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
# uv from PATH, else one of our own under build/.
UV = $(or $(shell command -v uv 2>/dev/null),build/uv/bin/uv)
BIN = .venv/bin
# uv is silent, and the first time it has much to fetch.
TELL = echo "installing the $$(grep -c '==' $(1)) packages of $(1) into .venv: some minutes, the first time"
COMPILE = $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet

export PYRIGHT_PYTHON_IGNORE_WARNINGS = 1
export MLFLOW_DISABLE_TELEMETRY = true
export DO_NOT_TRACK = true

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

# The developers' requirements are a superset, so what has them needs no second installation.
demo: $(if $(wildcard .venv/.dev),.venv/.dev,.venv/.local)  ## from a clean clone to a served model, with what it needs only
	$(BIN)/python -m mlx_cli.demo

install: .venv/.dev  ## everything that developers need, in .venv

# One file's tests stay in one process: they share a server or a trained model.
# The pipelines' tests run apart: kfp and pulumi both define google.rpc.Status, so one process can import only one of them.
test: .venv/.dev  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/kfp_pipelines
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/kfp_pipelines

# Takes hours; of what it strikes, `make test` strikes a drawn sample. HEAL='--programs 300 --places tiny --count 60' draws a larger one.
heal: .venv/.dev  ## strike every point where an update can fail, and write the table in docs/healing.md
	folder=$$(mktemp -d) && $(BIN)/python tests/healing/heal.py --folder $$folder/heal --table docs/healing.md $(HEAL); code=$$?; rm -rf $$folder; exit $$code

# About 45 minutes of one core; of these cases `make test` runs 2,000. A case that fails: FUZZ='--seed 3 --case 4711'; fewer: FUZZ='--cases 10000'.
fuzz: .venv/.dev  ## 100,000 changed workspaces: each is answered, in time, and every message has a place
	$(BIN)/python tests/specs/fuzz.py $(FUZZ)

lint: .venv/.dev  ## ruff, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/.dev  ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: .venv/.dev  ## the JSON schemas in specs/schema, after a kind has changed
	$(BIN)/mlx schema --write specs/schema

bench: .venv/.dev  ## every benchmark, as tables
	@for table in benchmarks/*/*.py; do echo "# $$table"; $(BIN)/python $$table || exit 1; done

lock: $(UV)  ## resolve requirements/*.txt again; pins stay unless pyproject.toml excludes them (rm a file to move them all)
	$(COMPILE) --extra local --extra torch --extra spark --group dev --output-file requirements/dev.txt
	$(COMPILE) --extra local --constraint requirements/dev.txt --output-file requirements/local.txt

clean:  ## remove .venv, .mlx and build; stop what runs first: mlx destroy
	rm -rf .venv .mlx build

.venv/.local: requirements/local.txt pyproject.toml | .venv/bin/python
	@$(call TELL,$<)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements/local.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@rm -f .venv/.dev && touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | .venv/bin/python
	@$(call TELL,$<)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python requirements/dev.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv/bin/python: | $(UV)
	@$(NEEDS_PYTHON)
	$(UV) venv --quiet --python $(PYTHON) .venv

# --target works where the system's Python has neither ensurepip nor a writable site-packages.
build/uv/bin/uv: requirements/uv.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "$$(command -v $(PYTHON)) has no pip to install uv with: deactivate its virtual environment, install pip or uv, or say where another Python is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "installing uv into build/uv"
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action ignore --require-hashes --target build/uv -r requirements/uv.txt
	@touch $@
