# Two commands on a fresh machine: `make study` and `make test`. Both build .venv first, once.
# Python 3.11 and a package index are all that is needed.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SCALE := .venv-scale/bin
READY := .venv/.ready
STUDY ?= laptop
PAGE = reports/$(basename $(notdir $(STUDY)))/index.html
SNAKEMAKE = PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/snakemake --config study=$(STUDY) \
	--profile workflow/profiles/local

.PHONY: study plan pending check report test test-papers test-scale test-faults test-envs test-slurm lint parity attack bench schema docs \
	lock slurm scale clean

study: $(READY)  ## Run the study and write reports/$(STUDY)/index.html
	$(SNAKEMAKE)
	@echo "The report: $(PAGE)"

plan: $(READY)  ## What the study takes: jobs, hours, disk, memory
	$(BIN)/python -m smoothgates plan --study $(STUDY)

pending: $(READY)  ## What would run, and why
	$(SNAKEMAKE) --dry-run --quiet host

check: $(READY)  ## Hold the finished laptop study to what it must show
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/laptop

report: $(READY)  ## Rebuild the report from the scores; can never start a training
	$(SNAKEMAKE) --allowed-rules report analyse gates --forcerun report -- $(PAGE)

test: $(READY) lint  ## Everything that needs no root and no network
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

	@echo "Not among these, as they take root, packages, the network or more time: make test-papers, test-scale, test-faults, test-envs, test-slurm, parity"

test-papers: $(READY)  ## Every paper's study, shrunk, run to its report
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m papers tests/workflow

test-scale: scale  ## vLLM and DeepSpeed on CPUs: each of them, and a whole study
	CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1 $(SCALE)/python -m pytest -n 2 --dist loadfile tests/scale

test-faults: $(READY)  ## Kill -9, full disks, two trainers on one run (root, for a small disk)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/faults

test-envs: $(READY)  ## Environments installed from the index, every hash checked
	$(BIN)/pytest tests/envs

test-slurm: slurm  ## On a real SLURM on this host (its packages: .ci/slurm.sh)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/slurm

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

parity: scale  ## Hold the losses to TRL's own code
	OMP_NUM_THREADS=1 $(SCALE)/python -m pytest tests/parity

attack: $(READY)  ## Try to buy math rewards with strings that are worth nothing
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.attack

bench: $(READY)  ## Speed of the parts, as ratios side by side
	for part in run memory dag verdicts retrieval; do OMP_NUM_THREADS=1 $(BIN)/python tests/bench/$$part.py || exit; done

schema: $(READY)  ## After changing a config record
	$(BIN)/python -m smoothgates schema

docs: $(READY)  ## After changing a gate
	$(BIN)/python -m smoothgates gates > docs/gates.md

lock: .venv-lock/.ready  ## After changing a pin in pyproject.toml: rewrite the locks from the package index's metadata
	PATH="$(CURDIR)/.venv-lock/bin:$$PATH" .venv-lock/bin/python envs/lock.py

$(READY): pyproject.toml envs/venv.txt
	$(PYTHON) -c 'import sys; assert sys.version_info[:2] == (3, 11), "Python 3.11 is needed: make PYTHON=/path/to/python3.11"'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c envs/venv.txt \
		-e ".[control,train,report,test]"
	touch $@

slurm: $(READY)  ## Once, where the study is to run on a SLURM cluster: Snakemake's plugin
	$(BIN)/pip install --quiet --disable-pip-version-check -c envs/venv.txt -e ".[slurm]"

.venv-lock/.ready:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	touch $@

scale: .venv-scale/.ready  ## Once, to try vLLM and DeepSpeed on CPUs: a second environment, .venv-scale
.venv-scale/.ready: envs/scale.txt
	$(PYTHON) -m venv .venv-scale
	$(SCALE)/pip install --quiet --disable-pip-version-check --no-deps -r envs/scale.txt
	$(SCALE)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:  ## Forget results, logs and reports of $(STUDY)
	rm -rf results/$(STUDY) logs/$(STUDY) reports/$(STUDY)
