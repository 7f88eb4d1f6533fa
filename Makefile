# Two commands on a fresh machine: `make study` and `make test`. Both build .venv first, once. `make` alone lists all.
# Python (3.11, 3.12 or 3.13) and a package index are all that is needed.

# Versions that the locks are made for: 3.11, which conda's files name, then the newest first.
PYTHONS := 3.11 3.13 3.12
# Those that run here. Being on PATH is not enough: pyenv puts versions there that fail unless they are selected.
FOUND = $(foreach version,$(PYTHONS),$(shell python$(version) -c 'print("python$(version)")' 2> /dev/null))
PYTHON ?= $(firstword $(FOUND) python3)
BIN := .venv/bin
SCALE := .venv-scale/bin
BENCH := .venv-bench/bin
BROWSER := .venv-browser/bin
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
	test-browser test-pythons coverage lint parity attack bench schema docs site check-gate lock slurm scale clean

help:  ## List what make can do
	@awk -F ':.*##' '/^[a-z-]+:.*##/ {printf "make %-13s%s\n", $$1, $$2}' Makefile

study: $(READY)  ## Run the study and write its report
	$(SNAKEMAKE)
	@echo "The report: reports/"$(STEM)/index.html

plan: $(READY)  ## Estimate what the study takes: jobs, hours, disk, memory
	$(BIN)/python -m smoothgates plan --study "$$STUDY"

pending: $(READY)  ## List the jobs that would run, and why
	$(BIN)/python -m smoothgates pending --study "$$STUDY"

check: $(READY)  ## Check what the finished laptop study must show
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/laptop

report: $(READY)  ## Rebuild the report from the scores; can never start a training
	$(SNAKEMAKE) --allowed-rules report analyse gates --forcerun report -- report

test: $(READY) lint  ## Run all tests that need neither root nor the network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile
	@echo "Not run, because they need root, packages, the network or more time: make test-kernels, test-papers, test-scale, test-faults, test-envs, test-slurm, test-browser, test-pythons, parity"

test-kernels: $(READY)  ## Repeat the numeric tests with the kernels of other processors
	for kernels in ATEN_CPU_CAPABILITY=default ATEN_CPU_CAPABILITY=avx2 MKL_CBWR=COMPATIBLE; do \
		env $$kernels OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(NUMERIC) || exit; done

test-papers: $(READY)  ## Rehearse every paper's study up to its report
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m papers tests/workflow

test-scale: scale  ## Test vLLM and DeepSpeed on CPUs, each alone and in a whole study
	CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1 $(SCALE)/python -m pytest -n 2 --dist loadfile tests/scale

test-faults: $(READY)  ## Test kills, full disks, two trainers on one run (needs root, for a small disk)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults

test-envs: $(READY)  ## Install the environments from the index, checking every hash
	$(BIN)/python -m pytest tests/envs

test-browser: .venv-browser/.ready  ## Test the report's page in a headless Chromium (.ci/browser.sh installs it)
	OMP_NUM_THREADS=1 $(BROWSER)/python -m pytest tests/browser

test-slurm: slurm  ## Test on a real SLURM on this host (.ci/slurm.sh installs its packages)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/slurm

test-pythons: $(READY)  ## Run lint and the tests without torch on every other supported Python that is found
	$(if $(OTHERS),$(MAKE) --no-print-directory $(OTHERS:%=test-%))
	@echo "Run without torch: $(or $(OTHERS),nothing: no other supported Python is found)"
OTHERS = $(filter-out $(shell $(BIN)/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])'),$(FOUND))

test-python%: .venv-python%/.ready
	$(MAKE) --no-print-directory lint BIN=$(<D)/bin READY=$<
	OMP_NUM_THREADS=1 $(<D)/bin/python -m pytest -n 2 --dist loadfile -p tests.without_torch

coverage: $(READY)  ## Measure the share of the code that the unit tests run
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov=smoothgates tests/unit tests/oracle

lint: $(READY)  ## Check style and types of the code, and the style of the workflow
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m snakefmt --check Snakefile workflow
	$(BIN)/python -m snakemake --lint

parity: scale  ## Compare the losses with TRL's own code
	OMP_NUM_THREADS=1 $(SCALE)/python -m pytest tests/parity

attack: $(READY)  ## Try to earn math rewards with wrong answers
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.attack

bench: .venv-bench/.ready  ## Measure the speed of the parts beside other code, and rewrite docs/performance.md
	OMP_NUM_THREADS=1 $(BENCH)/python -m tests.bench

schema: $(READY)  ## Rewrite workflow/schemas, after changing a config record
	$(BIN)/python -m smoothgates schema

docs: $(READY)  ## Rewrite docs/gates.md and docs/performance.md, after changing a gate or the words of the latter
	$(BIN)/python -m smoothgates gate-table
	$(BIN)/python -m tests.bench.page

site: .venv-docs/.ready  ## Build the documentation into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --quiet

check-gate: $(READY)  ## Check the properties of one gate: make check-gate NAME=erf
	@$(BIN)/python -m smoothgates check-gate --spec "{\"gate\": \"$$NAME\"}"

lock: .venv-lock/.ready  ## Rewrite the locks from the package index, after changing a pin in pyproject.toml
	PATH="$$PWD/.venv-lock/bin:$$PATH" .venv-lock/bin/python envs/lock.py

# $(call supported,VERSIONS): print one line and stop if $(PYTHON) has none of these versions.
define supported
	@found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) || found=missing; \
	case " $(1) " in *" $$found "*) ;; *) \
		echo "PYTHON=$(PYTHON) is $$found, expected one of $(sort $(1)): make PYTHON=/path/to/python" >&2; \
		exit 2;; esac
endef

# $(call locked,BIN,LOCK): install a lock, checking each file against its hash. setuptools first: it builds packages
# without a wheel, and pip would fetch it by itself, without checking a hash.
PIP = python -m pip install --quiet --disable-pip-version-check
define locked
	grep '^setuptools==' $(2) | $(1)/$(PIP) --no-deps --require-hashes -r /dev/stdin
	$(1)/$(PIP) --no-deps --require-hashes --no-build-isolation -r $(2)
endef

# Torch's build is the user's choice: the first that pip finds of this version, without a hash. The requirements of the
# index's own build are in train.lock; a build with a local version ("+cpu") brings its own.
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

slurm: $(READY)  ## Install Snakemake's plugin for SLURM, once
	$(call locked,$(BIN),envs/control.lock)

.PRECIOUS: .venv-python%/.ready  # or make would delete it, as an intermediate file
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

# .venv, and beside it what the project is compared with, or drives a browser: nothing is installed twice.
.venv-bench/.ready .venv-browser/.ready: .venv-%/.ready: $(READY) envs/%.txt
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/$(PIP) --no-deps --require-hashes -r envs/$*.txt
	$(@D)/bin/python -c 'import sys, sysconfig; print("import site; site.addsitedir(%r)" % sys.argv[1], \
		file=open(sysconfig.get_path("purelib") + "/venv.pth", "w"))' \
		"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	touch $@

scale: .venv-scale/.ready  ## Build .venv-scale, a second environment to try vLLM and DeepSpeed on CPUs, once
.venv-scale/.ready: envs/scale.txt
	$(call supported,3.11)
	$(PYTHON) -m venv .venv-scale
	$(SCALE)/$(PIP) --no-deps $(TORCH)
	$(call locked,$(SCALE),envs/scale.txt)
	$(SCALE)/$(PIP) --no-deps --no-build-isolation -e .
	touch $@

clean: $(READY)  ## Delete the results, logs and report of a study
	$(BIN)/python -m smoothgates clean --study "$$STUDY" --yes
