# Every target sets itself up on a machine that has only Python (3.10 or newer).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test lint bench docs clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@# torch first and alone: a later requirement then finds it and brings no other build of it.
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)  ## a real search on generated clips, in under 8 minutes
	test -d demo/clips || $(BIN)/vidnas data demo demo/clips
	$(BIN)/vidnas search demo/clips --out demo/study --limit latency=10ms --budget 6m
	test -d demo/unseen || $(BIN)/vidnas data demo demo/unseen --seed 1 --clips-per-class 3
	$(BIN)/vidnas predict demo/study demo/unseen/clockwise/*.mp4 --top 3
	@echo "Open demo/study/report.html to see what was found."

test: $(READY) lint  ## everything that must hold
	@# A test process that crashes ends the run: replacing it can leave the others waiting forever.
	@# In their order, because files of few tests are those of long ones, and would come last.
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 --durations 20

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## the measurements behind the README's figures; see benchmarks/README.md
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) demo site build *.egg-info
