# Every target sets up what it needs. PYTHON chooses the interpreter that makes the virtual environment.
# PROCESSES run the tests side by side, with a thread each.
PYTHON ?= python3
PROCESSES ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DOCS := $(VENV)/.ready-docs

.PHONY: demo test slow cases exactness gpu gpu-wheels format lint type check docs notebooks containers nodes slurm
.PHONY: kills clean

demo: $(READY)
	$(BIN)/unlearning-pl demo

PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder

# What continuous integration runs: it took half an hour on two cores, so keep what takes long under the mark `slow`.
test: $(READY)
	$(PYTEST)

# What pytest leaves out by itself: full products of options, and jobs of several commands and processes.
slow: $(READY)
	$(PYTEST) -m slow

# Situations that people met, with the command as it is installed here; beside this checkout, and not all are right yet.
cases: $(READY)
	UNLEARNING_PL=$(abspath $(BIN)/unlearning-pl) PYTHON=$(abspath $(BIN)/python) ../shared/cases/run

# Minutes: two processes against one for every method and learner, and FSDP against DDP.
exactness: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/same_steps.py
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/distributed/sharded.py

# What a machine with a GPU can check, in BUDGET seconds; TINY=1 does the same on a CPU, PLAN=FILE.yaml adds a benchmark.
# An interpreter with torch and Lightning, as in images, is used as it is: a machine with a GPU may have no network.
BUDGET ?= 520
GPU_OUT ?= build/gpu
WHEELS ?= build/wheels
HAS_TORCH := from importlib.util import find_spec; exit(not (find_spec('torch') and find_spec('lightning')))
ifneq ($(filter gpu,$(MAKECMDGOALS)),)
GPU_PYTHON := $(shell "$(PYTHON)" -c "$(HAS_TORCH)" && echo "$(PYTHON)")
endif
gpu: $(if $(GPU_PYTHON),,$(READY))
	@"$(or $(GPU_PYTHON),$(BIN)/python)" benchmarks/gpu_checks.py --budget $(BUDGET) --out "$(GPU_OUT)" \
	--wheels "$(WHEELS)" $(if $(TINY),--tiny) $(if $(PLAN),--plan "$(PLAN)")

# Packages that an image with torch lacks, for `make gpu` without network; WHEELS_PYTHON=3.12 if its Python is that one.
gpu-wheels: $(READY)
	$(BIN)/python benchmarks/gpu_wheels.py --folder "$(WHEELS)" $(if $(WHEELS_PYTHON),--python $(WHEELS_PYTHON))

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/lint-imports
	$(BIN)/mypy

type: $(READY)
	$(BIN)/mypy

# Everything that needs neither root nor a GPU: what continuous integration runs, and what takes minutes more.
check: lint test slow exactness kills docs notebooks

# The site, in build/site; its gallery is made once, by a short training, and stays in build/gallery.
docs: $(READY_DOCS)
	$(BIN)/pytest --doctest-modules unlearning_pl -q
	$(BIN)/pytest tests/test_docs.py -q
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/mkdocs build --strict

# In a copy, since the notebooks of examples/ are kept without outputs; some minutes.
notebooks: $(READY_DOCS)
	rm -rf build/notebooks && mkdir -p build/notebooks
	for notebook in examples/*.ipynb; do \
		folder=build/notebooks/$$(basename $$notebook .ipynb) && mkdir $$folder && cp $$notebook $$folder && \
		OMP_NUM_THREADS=1 $(BIN)/jupyter execute --inplace $$folder/*.ipynb || exit 1; done

# As root on Debian, without a container engine; some minutes.
containers:
	tests/distributed/containers.sh

# Two nodes on this machine: network namespaces and torchrun (needs root), SLURM and the scripts of docker/slurm.
nodes: $(READY)
	PYTHONPATH=tests $(BIN)/python -m distributed.two_nodes

slurm: $(READY)
	PYTHONPATH=tests $(BIN)/python -m distributed.slurm

# Runs that are killed twenty times and resumed, against unbroken ones; a minute.
kills: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/distributed/killed.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(READY): pyproject.toml setup.py constraints.txt
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(READY)

$(READY_DOCS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,docs]"
	touch $(READY_DOCS)
