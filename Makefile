# Every verb sets up what it needs by itself; Python 3.11 (or newer) and make are enough.
# Arguments are passed on: make up ARGS="--exit-after-tour", make test ARGS="-k lease -x"

ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: setup up demo test check format soak bench profile docs proto lock clean help

setup: $(READY) ## make .venv from the lock file

$(READY): pyproject.toml uv.lock tools/setup.sh
	@PYTHON="$(PYTHON)" tools/setup.sh
	@touch $@

up: $(READY) ## gateway, demo service and worker in one go, then a tour of real calls
	@exec $(BIN)/taskgate up $(ARGS)

demo: $(READY) ## the tour alone: ends with 0 when every call answered as it should
	@exec $(BIN)/taskgate up --exit-after-tour $(ARGS)

test: $(READY) ## everything CI runs: format, lint, types, imports, then all tests (ARGS: one pytest with them)
	@tools/check.sh format lint types imports
	@$(BIN)/python -m $(if $(strip $(ARGS)),pytest $(ARGS),tools.testing)

check: $(READY) ## format, lint, types, imports and the law tests
	@tools/check.sh $(ARGS)

format: $(READY) ## rewrite the sources in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

soak: $(READY) ## the long tests: many kills, many histories
	@$(BIN)/python -m pytest -m soak $(ARGS)

bench: $(READY) ## speed beside other systems, in one interleaved run
	@exec $(BIN)/python -m benchmarks $(ARGS)

profile: $(READY) ## where the gateway's time goes during a bulk of runs
	@exec $(BIN)/python -m benchmarks profile $(ARGS)

docs: $(READY) ## write the generated pages under docs/reference
	@exec $(BIN)/python -m tools.reference $(ARGS)

proto: $(READY) ## write the protobuf modules from src/taskgate/wire/*.proto
	@$(BIN)/python -m grpc_tools.protoc -Isrc --python_out=src --pyi_out=src --grpc_python_out=src src/taskgate/wire/*.proto

lock: $(READY) ## resolve the dependencies anew (ARGS="--upgrade" for newer versions)
	@.venv-bootstrap/bin/uv lock --python $(BIN)/python $(ARGS)

clean: ## remove environments, caches and local state
	@rm -rf .venv .venv-bootstrap .taskgate .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'
