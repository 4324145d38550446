# make demo    train DCNV2 with a 5-way rating head on MovieLens-100K
# make test    lint, types, import contracts and all tests
# make lint    the first three of these
# make bench   measure speed and memory of every model; bench.json has all figures
# All set up what they need in .venv, once.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test lint bench clean

demo: .venv/.installed
	$(BIN)/python run_recbole.py --model=DCNV2 --dataset=ml-100k --multi_cls=5 --multi_ratio=0.7 \
		--config_files configs/ml-100k/DCNV2.yaml

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.installed-dev
	$(BIN)/python benchmarks/training.py --json=bench.json

# torch goes first: the constraint keeps everything after it from pulling in another build.
.venv/.installed: requirements.txt constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --requirement requirements.txt
	touch $@

.venv/.installed-dev: .venv/.installed pyproject.toml
	$(PIP) --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv
