# Two commands on a fresh machine: `make study` and `make test`. Both build .venv first, once. `make` alone lists all.
# Python (3.11, 3.12 or 3.13) and a package index are all that is needed.

# Versions that the locks are made for: 3.11, which conda's files name, then the newest first.
PYTHONS := 3.11 3.13 3.12
# Those that run here. To be on PATH is not enough: pyenv puts versions there that fail unless they are selected.
FOUND = $(foreach version,$(PYTHONS),$(shell python$(version) -c 'print("python$(version)")' 2> /dev/null))
PYTHON ?= $(firstword $(FOUND) python3)
BIN := .venv/bin
SCALE := .venv-scale/bin
READY := .venv/.ready
STUDY ?= laptop
override STUDY := $(value STUDY)
override NAME := $(value NAME)
export STUDY NAME  # any characters reach the shell as $$STUDY, never as text of a command
STEM = "$$(basename -- "$${STUDY%.y*ml}")"
NUMERIC = tests/oracle tests/unit/test_gates.py tests/unit/test_identities.py $(shell grep -l '^from rounding' tests/unit/*.py)
SNAKEMAKE = PATH="$$PWD/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m snakemake --config "study=$$STUDY" \
	--profile workflow/profiles/local

.PHONY: help study plan pending check report test test-kernels test-papers test-scale test-faults test-envs test-slurm \
	test-pythons coverage lint parity attack bench schema docs site check-gate lock slurm scale clean

help:  ## List what make can do
	@awk -F ':.*##' '/^[a-z-]+:.*##/ {printf "make %-13s%s\n", $$1, $$2}' Makefile

study: $(READY)  ## Run the study and write its report
	$(SNAKEMAKE)
	@echo "The report: reports/"$(STEM)/index.html

plan: $(READY)  ## What the study takes: jobs, hours, disk, memory
	$(BIN)/python -m smoothgates plan --study "$$STUDY"

pending: $(READY)  ## What would run, and why
	$(BIN)/python -m smoothgates pending --study "$$STUDY"

check: $(READY)  ## Hold the finished laptop study to what it must show
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/laptop

report: $(READY)  ## Rebuild the report from the scores; can never start a training
	$(SNAKEMAKE) --allowed-rules report analyse gates --forcerun report -- report

test: $(READY) lint  ## Everything that needs no root and no network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

	@echo "Not among these, as they take root, packages, the network or more time: make test-kernels, test-papers, test-scale, test-faults, test-envs, test-slurm, test-pythons, parity"

test-kernels: $(READY)  ## The numbers again, with the kernels of other processors
	for kernels in ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2 MKL_CBWR=COMPATIBLE; do \
		env $$kernels OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(NUMERIC) || exit; done

test-papers: $(READY)  ## Every paper's study, rehearsed to its report
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m papers tests/workflow

test-scale: scale  ## vLLM and DeepSpeed on CPUs: each of them, and a whole study
	CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1 $(SCALE)/python -m pytest -n 2 --dist loadfile tests/scale

test-faults: $(READY)  ## Kill -9, full disks, two trainers on one run (root, for a small disk)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults

test-envs: $(READY)  ## Environments installed from the index, every hash checked
	$(BIN)/python -m pytest tests/envs

test-slurm: slurm  ## On a real SLURM on this host (its packages: .ci/slurm.sh)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/slurm

test-pythons: $(READY)  ## On every other supported Python that is found: lint, and the tests that need no torch
	$(if $(OTHERS),$(MAKE) --no-print-directory $(OTHERS:%=test-%))
	@echo "Run without torch: $(or $(OTHERS),nothing: no other supported Python is found)"
OTHERS = $(filter-out $(shell $(BIN)/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])'),$(FOUND))

test-python%: .venv-python%/.ready
	$(MAKE) --no-print-directory lint BIN=$(<D)/bin READY=$<
	OMP_NUM_THREADS=1 $(<D)/bin/python -m pytest -n 2 --dist loadfile -p tests.without_torch

coverage: $(READY)  ## The share of the code that the unit tests run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov=smoothgates tests/unit tests/oracle

lint: $(READY)  ## Style and types of the code, style of the workflow
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m snakefmt --check Snakefile workflow
	$(BIN)/python -m snakemake --lint

parity: scale  ## Hold the losses to TRL's own code
	OMP_NUM_THREADS=1 $(SCALE)/python -m pytest tests/parity

attack: $(READY)  ## Try to buy math rewards with strings that are worth nothing
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.attack

bench: $(READY)  ## Speed of the parts, as ratios side by side
	for part in run memory dag verdicts retrieval; do OMP_NUM_THREADS=1 $(BIN)/python tests/bench/$$part.py || exit; done

schema: $(READY)  ## After changing a config record
	$(BIN)/python -m smoothgates schema

docs: $(READY)  ## After changing a gate: rewrite docs/gates.md
	$(BIN)/python -m smoothgates gate-table

site: .venv-docs/.ready  ## Build the documentation into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --quiet

check-gate: $(READY)  ## Is a gate what its file says? make check-gate NAME=erf
	@$(BIN)/python -m smoothgates check-gate --spec "{\"gate\": \"$$NAME\"}"

lock: .venv-lock/.ready  ## After changing a pin in pyproject.toml: rewrite the locks from the package index's metadata
	PATH="$$PWD/.venv-lock/bin:$$PATH" .venv-lock/bin/python envs/lock.py

# $(call supported,VERSIONS): one line, and no more, where $(PYTHON) is of none of these versions.
define supported
	@found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) || found=missing; \
	case " $(1) " in *" $$found "*) ;; *) \
		echo "PYTHON=$(PYTHON) is $$found, expected one of $(sort $(1)): make PYTHON=/path/to/python" >&2; \
		exit 2;; esac
endef

# $(call locked,BIN,LOCK): what a lock holds, each file checked against its hash. First what builds the packages without a
# wheel: pip would fetch it by itself, without checking a hash.
PIP = python -m pip install --quiet --disable-pip-version-check
define locked
	grep '^setuptools==' $(2) | $(1)/$(PIP) --no-deps --require-hashes -r /dev/stdin
	$(1)/$(PIP) --no-deps --require-hashes --no-build-isolation -r $(2)
endef

# Torch's build is the user's choice: the first that pip finds in this version, without a hash. What the index's own build
# needs besides is in train.lock; a build with a local version ("+cpu") names its own requirements.
TORCH = $(shell grep -o '^torch==[0-9.]*' envs/train.lock)

$(READY): pyproject.toml envs/venv.txt envs/train.lock
	$(call supported,$(PYTHONS))
	$(PYTHON) -m venv .venv
	$(call locked,$(BIN),envs/venv.txt)
	$(BIN)/$(PIP) --no-deps $(TORCH)
	case $$($(BIN)/python -c 'import importlib.metadata; print(importlib.metadata.version("torch"))') in \
		*+*) $(BIN)/$(PIP) $(TORCH);; *) $(BIN)/$(PIP) --no-deps --require-hashes -r envs/train.lock;; esac
	$(BIN)/$(PIP) --no-deps --no-build-isolation -e .
	touch $@

slurm: $(READY)  ## Once, where the study is to run on a SLURM cluster: Snakemake's plugin
	$(call locked,$(BIN),envs/control.lock)

.PRECIOUS: .venv-python%/.ready  # or make would remove it: no target names it in full
.venv-python%/.ready: pyproject.toml envs/venv.txt
	python$* -m venv $(@D)
	$(call locked,$(@D)/bin,envs/venv.txt)
	$(@D)/bin/$(PIP) --no-deps --no-build-isolation -e .
	touch $@

.venv-lock/.ready: envs/lock.txt
	$(call supported,$(PYTHONS))
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/$(PIP) --require-hashes -r envs/lock.txt
	touch $@

.venv-docs/.ready: envs/docs.txt
	$(call supported,$(PYTHONS))
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/$(PIP) --no-deps --require-hashes -r envs/docs.txt
	touch $@

scale: .venv-scale/.ready  ## Once, to try vLLM and DeepSpeed on CPUs: a second environment, .venv-scale
.venv-scale/.ready: envs/scale.txt
	$(call supported,3.11)
	$(PYTHON) -m venv .venv-scale
	$(SCALE)/$(PIP) --no-deps $(TORCH)
	$(call locked,$(SCALE),envs/scale.txt)
	$(SCALE)/$(PIP) --no-deps --no-build-isolation -e .
	touch $@

clean: $(READY)  ## Forget results, logs and report of a study
	$(BIN)/python -m smoothgates clean --study "$$STUDY" --yes
