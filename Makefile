# `make demo` and `make test` are all that a new user needs; `make help` lists the rest.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_OPTIONS ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS)
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check slow structure generate figures format technique bench lint types wheel

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# torch comes first and alone: an open range would fetch the newest build with gigabytes of CUDA packages.
$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	touch $@

$(VENV)/.runtime: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) -c constraints.txt -e '.[dev]'
	touch $(VENV)/.runtime $@

demo: $(VENV)/.runtime ## search on a data set where regularization helps, and on one where nothing is shown to
	$(BIN)/goodfit study diabetes --budget 70s --out goodfit-demo --force
	$(BIN)/goodfit study breast_cancer --budget 70s --out goodfit-demo/breast-cancer --force
	@echo "Open goodfit-demo/report.html (and goodfit-demo/breast-cancer/report.html)."

test: $(VENV)/.dev ## run the tests and the examples in docstrings
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" --doctest-modules src tests

slow: $(VENV)/.dev ## run the long studies on real data
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev ## ruff, import-linter, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python tools/index.py --check

types: $(VENV)/.dev ## mypy in strict mode on src
	$(BIN)/mypy

wheel: $(VENV)/.dev ## build the wheel, import all of it, run README.md with it
	$(BIN)/python tools/wheel.py

check: lint types wheel structure ## everything but the tests

structure: $(VENV)/.dev ## measures of the code's structure, and words that it does not use
	$(BIN)/python tools/structure.py --check

generate: $(VENV)/.dev ## rewrite what follows from the technique files: the index and the pages
	$(BIN)/python tools/index.py

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

figures: $(VENV)/.dev ## measure and draw the techniques' effects (about ten minutes); NAME=l2 for one
	$(BIN)/python tools/figures.py $(NAME)
	$(BIN)/python tools/index.py

technique: $(VENV)/.dev ## new technique and its test: make technique NAME=FooBar STAGE=weights
	$(BIN)/python tools/new_technique.py $(NAME) $(STAGE) $(BASE)
	$(BIN)/python tools/index.py

bench: $(VENV)/.dev ## trainers side by side; writes the tables of docs/benchmarks.md
	$(PIP) -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/solo.py --network mnist --markdown docs/benchmarks.md
	$(BIN)/python benchmarks/solo.py --network small --epochs 20 --markdown docs/benchmarks.md
	$(BIN)/python benchmarks/techniques.py --network mnist --markdown docs/benchmarks.md
	$(BIN)/python benchmarks/techniques.py --network conv --markdown docs/benchmarks.md
	$(BIN)/python benchmarks/population.py --curve --markdown docs/benchmarks.md
