# make book · make pdf · make test · make serve · make bench · make lint: each sets up what it needs of .venv by itself, once, and again when a pin changes.
#
#   make book EDITION=book        another edition of book/editions.yml (default: quick)
#   make bench BENCH_ARGS="--quick --only training"
#   make book PYTHON=/path/to/python3.12
#   make book TORCH_ARGS="…"      arguments for installing PyTorch, e.g. --index-url with the CPU wheel index given on PyTorch's install page

# Compiled modules are kept whatever the shell says: compiling PyTorch anew takes every process eight seconds
unexport PYTHONDONTWRITEBYTECODE

EDITION ?= quick
PORT ?= 8000
PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH_ARGS ?=
BENCH_ARGS ?=

VENV := .venv
READY := $(VENV)/.ready
TESTED := $(VENV)/.tested
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
PYTEST := $(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
NOT_NUMERIC := $(addprefix %_,$(addsuffix .py,archive cli documentation endurance nb package plot repository sources store))
NUMERIC := $(addprefix tests/,degeneracy engine fourier studies) \
  $(filter-out $(NOT_NUMERIC),$(wildcard tests/test_*.py tests/training/test_*.py))

.PHONY: book pdf test test-numeric reruns serve bench lint clean
.DELETE_ON_ERROR:

book: $(READY)
	$(VENV)/bin/schurkit build --edition $(EDITION)$(if $(JOBS), --jobs $(JOBS))

# The book as one file, printed by Chromium: _build/schurkit.pdf
pdf: $(TESTED)
	$(VENV)/bin/schurkit build --pdf --edition $(EDITION)$(if $(JOBS), --jobs $(JOBS))

# The tests build the quick edition themselves
test: lint
	$(PYTEST)

# The tests of numbers, as on another processor: CORETYPE is a name of OpenBLAS's, say Haswell, Zen, SkylakeX (AVX-512) or Sandybridge
test-numeric: $(TESTED)
	$(if $(CORETYPE),OPENBLAS_CORETYPE=$(CORETYPE) )$(PYTEST) -m "not book" $(NUMERIC)

# Chapters on odd networks and values, each page read for sentences that cannot be true
reruns: $(TESTED)
	$(PYTEST) -m reruns tests/chapters

lint: $(TESTED)
	$(VENV)/bin/ruff check .

serve: book
	@echo "Reading at http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)"
	@cd _build/html && exec ../../$(VENV)/bin/python -m http.server --bind 127.0.0.1 $(PORT)

bench: $(VENV)/.bench
	$(VENV)/bin/schurkit bench $(BENCH_ARGS)

# What it compares with; where that cannot be installed the rest is measured
$(VENV)/.bench: $(READY)
	$(PIP) install -c constraints.txt -e '.[bench]' && touch $@ || echo "JAX could not be installed; its rows will be skipped" >&2

clean:
	rm -rf _build

# What a book needs, and no more. PyTorch first: what else asks for it then takes the build chosen here
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11.5 or later is needed; name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(VENV)/bin/python || "$(PYTHON)" -c 'import sys; sys.exit("Python 3.11.5 or later is needed, this is %d.%d.%d; name another: make PYTHON=/path/to/python3.11" % sys.version_info[:3] if sys.version_info < (3, 11, 5) else 0)'
	@test -x $(VENV)/bin/python || { echo "Setting up $(VENV) (once; the downloads take some minutes)"; "$(PYTHON)" -m venv $(VENV); }
	$(PIP) install --no-compile -c constraints.txt $(TORCH_ARGS) torch
	@$(VENV)/bin/python -c "import torch" >/dev/null 2>&1 & # compiled while the rest is installed
	$(PIP) install --no-compile -c constraints.txt -e '.[book,fast]'
	@touch $@

# What tests, a printed book and clusters need beside it
$(TESTED): $(READY)
	$(PIP) install --no-compile -c constraints.txt -e '.[book,cluster,fast,files,test]'
	@touch $@
