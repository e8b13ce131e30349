# make setup   the virtual environment: everything locked by hash, this project editable
# make run     install, check, export every module, run all checkpoints, train the reference CNN
# make test    the whole test suite (set TESTS to run a part: make test TESTS=tests/tito)
# make bench   ratios to PyTorch's times, where PyTorch is installed (set BENCH for options: make bench BENCH="cnn --threads 1")
# make check   lint, types, module form, and the package in step with its sources

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TESTS  ?=
BENCH  ?=
TRAIN  ?= cifar10 --budget 12

.PHONY: setup run test bench check lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; print(f"Python {v}"); \
	  sys.exit(0 if sys.version_info >= (3, 11) else f"TinyTorch needs Python 3.11 or newer, found {v}: install one and name it, as in make setup PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Could not create $(VENV): on Debian and Ubuntu install the package python3-venv, then call make again." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

run: $(STAMP)
	$(BIN)/tito system doctor
	$(BIN)/tito module export --all
	$(BIN)/tito checkpoint test --all
	$(BIN)/tito train $(TRAIN)

test: $(STAMP)
	$(BIN)/python -m pytest --timeout=900 --numprocesses=2 --dist=loadfile $(TESTS)

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(BENCH)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/tito course check
	$(BIN)/tito module export --all --check

# Renews the lock; the file names packages and hashes, never an address.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --extra dev --extra plot pyproject.toml -o requirements.lock --upgrade

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
