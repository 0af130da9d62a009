# Everything needs only python3 (3.11 or newer) and make; uv is used where it is on PATH.
# `make demo` and `make test` set themselves up in .venv the first time.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint pytest format docs bench-spine bench-evidence bench-journal bench-guard bench-registry bench-large bench-conversation soak clean bench-agentdojo

help:
	@echo "make demo [ARGS='--headless --json']   play the refund desk, then show it in a browser"
	@echo "make test                              all checks and tests"
	@echo "make lint                              the checks without the tests"
	@echo "make docs                              write the generated reference pages anew"
	@echo "make bench-spine                       figures, side by side with the peers"
	@echo "make bench-journal                     what an entry and a proof of the journal cost"
	@echo "make bench-guard                       what a guarded call costs at 10, 100 and 1,000 policies"
	@echo "make bench-registry                    what the access question costs on a large registry"
	@echo "make bench-large                       questions to a million spans, hot and archived"
	@echo "make bench-conversation                what a long chat costs on the disk"
	@echo "make bench-agentdojo                   a compromised agent against the guard, without a model"
	@echo "make bench-evidence                    time and size of evidence, by the length of a run"
	@echo "make soak                              the long tests"
	@echo "make clean                             remove what these made"

$(READY): pyproject.toml tools/set_up.py
	@$(PYTHON) tools/set_up.py
	@touch $@

demo: $(READY)
	@$(BIN)/tally demo $(ARGS)

# pytest comes last: its summary line closes the output.
test: lint
	@$(MAKE) --no-print-directory pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

# Two at a time, a file with one of them: many tests wait for real processes more than they compute.
pytest: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/python docs/generate.py

bench-journal: $(READY)
	$(BIN)/python bench/journal.py $(ARGS)

bench-guard: $(READY)
	$(BIN)/python bench/guard.py $(ARGS)

bench-registry: $(READY)
	$(BIN)/python bench/registry.py $(ARGS)

bench-conversation: $(READY)
	$(BIN)/python bench/conversation.py $(ARGS)

bench-large: $(READY)
	$(BIN)/python bench/large.py $(ARGS)

bench-spine: $(READY)
	$(BIN)/python bench/spine.py $(ARGS)

bench-evidence: $(READY)
	$(BIN)/python bench/evidence.py $(ARGS)

bench-agentdojo: $(READY)
	$(BIN)/python -m bench.agentdojo $(ARGS)

soak: $(READY)
	$(BIN)/pytest -m soak --timeout 3600 $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist bench/.work
	find tallystick tests tools docs bench examples -name __pycache__ -type d -prune -exec rm -rf {} +
