"""Every job of a study: its spec, what it reads and what it writes.

The rules of the Snakefile take their inputs, outputs and parameters from here. `plan`, `verify` and `prune` list the
same jobs without Snakemake.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.gates import GATES
from smoothgates.io.paths import Paths, record_of
from smoothgates.io.records import Record
from smoothgates.provenance.code_closure import code_digest
from smoothgates.provenance.environments import environment_of, lock_digest
from smoothgates.provenance.run_record import spec_digest
from smoothgates.retrieval.passages import corpus_files
from smoothgates.specs.check_gate import CheckGateSpec
from smoothgates.specs.control import CONTROL, POLICIES, SFT, WARM_START
from smoothgates.study.loader import LoadedStudy
from smoothgates.tasks import judging_parts

Files = dict[str, str | tuple[str, ...]]
"""Paths by the name that a rule gives them: one path, or any number of them."""


@dataclass(frozen=True)
class Job:
    """One job. Paths are relative to the working directory."""

    rule: str
    spec: Record
    inputs: Files
    outputs: Files
    """The files that Snakemake knows. The record of each result lists the others."""
    parts: tuple[str, ...] = ()
    """Modules that the stage finds by name, such as `gates.erf`: for `code_digest`."""
    waits: tuple[str, ...] = ()
    """Names of inputs that must exist before the job runs, but that its result does not depend on."""
    wildcards: tuple[str, ...] = ()
    """Names of the fields below that are wildcards of the rule, in the order of its output."""

    task: str = ""
    regime: str = ""
    method: str = ""
    seed: int | None = None
    benchmark: str = ""
    gate: str = ""
    index: str = ""

    @property
    def stage(self) -> str:
        """The job runs `python -m smoothgates STAGE`."""
        return stage_of(self.rule)

    @property
    def name(self) -> str:
        """The name of the job in messages, without its rule: `math/near/erf/seed0`."""
        seed = "" if self.seed is None else f"seed{self.seed}"
        words = (self.task, self.regime, self.method, seed, self.benchmark, self.gate, self.index)
        return "/".join(filter(None, words))

    @property
    def reads(self) -> tuple[str, ...]:
        """Paths of all inputs."""
        return listed(self.inputs)

    @property
    def writes(self) -> tuple[str, ...]:
        """Paths of all outputs."""
        return listed(self.outputs)

    @property
    def sources(self) -> Files:
        """The inputs that its result depends on."""
        return {name: paths for name, paths in self.inputs.items() if name not in self.waits}

    @property
    def records(self) -> list[str]:
        """Path of the run.json of each result."""
        return list(dict.fromkeys(map(record_of, self.writes)))


class Jobs:
    """The jobs of a study: a method for each rule, with the rule's wildcards as arguments.

    `planned`: files that no job makes may be missing and are then left out of the inputs. Otherwise raises BadInput.
    """

    def __init__(self, study: LoadedStudy, planned: bool = False):
        self.study, self.paths = study, Paths(study.name)
        self.tasks, self.seeds = study.config.tasks, study.config.seeds
        self.public = {
            task: from_outside(self.paths.data.format(task=task), planned, study.data_files, task)
            for task in self.tasks
        }
        self.corpora = {
            name: from_outside(self.paths.index.format(index=name), planned, corpus_files, index.corpus)
            for name, index in study.config.indexes.items()
        }
        self.used_gates = list(dict.fromkeys(method.gate for method in study.methods.values()))
        self.outputs = outputs_by_rule(self.paths, self.seeds)

    def all(self) -> list[Job]:
        """Every job, each after those whose files it reads."""
        arms = [(task, *arm) for task in self.tasks for arm in self.study.arms(task)]
        runs = [(*arm, seed) for arm in arms for seed in self.seeds]
        return [
            *(self.prepare(task) for task in self.tasks),
            *(self.index(name) for name in self.corpora),
            *(self.check_gate(gate) for gate in self.used_gates),
            *(self.policy(method, task, seed) for task, regime, method, seed in runs if regime == CONTROL),
            *(self.train(*run) for run in runs if run[1] != CONTROL),
            *(self.evaluate(*arm, benchmark) for arm in arms for benchmark in self.tasks[arm[0]].evaluation),
            self.gates(),
            self.analyse(),
            self.report(),
        ]

    def of(self, rule: str, wildcards: dict[str, str]) -> Job:
        """The job of a rule with these values of its wildcards, as Snakemake has them."""
        values = {name: int(value) if name == "seed" else value for name, value in wildcards.items()}
        return self.policy(rule, **values) if rule in POLICIES else getattr(self, rule)(**values)

    def prepare(self, task: str) -> Job:
        spec = self.study.prepare_spec(task)
        return self._job("prepare", spec, {"public": self.public[task]}, (f"tasks.{task}",), task=task)

    def index(self, index: str) -> Job:
        return self._job("index", self.study.config.indexes[index], {"corpus": self.corpora[index]}, index=index)

    def check_gate(self, gate: str) -> Job:
        """One job serves all methods with the gate. Its spec has no temperature, so a new one reruns no check."""
        return self._job("check_gate", CheckGateSpec(gate=gate), {}, (f"gates.{gate}",), gate=gate)

    def policy(self, method: str, task: str, seed: int) -> Job:
        """A policy without RL, made by the rule named `method`: a warm start, or the control that continues it."""
        start = (self.model(task, CONTROL, WARM_START, seed),) if method == SFT else ()
        return self._job(
            method,
            self.study.policy_spec(task, seed, method),
            {"data": self.data(task), "start": start},
            (f"tasks.{task}",),
            task=task,
            regime=CONTROL,
            method=method,
            seed=seed,
        )

    def train(self, task: str, regime: str, method: str, seed: int) -> Job:
        """Its code includes the one gate of its method, and the one task that it trains on with its rewards."""
        gate, start = self.study.methods[method].gate, self.study.config.regimes[regime].start
        inputs = {
            "data": self.data(task),
            "policy": self.model(task, CONTROL, self.study.start_of(regime), seed if start is None else start),
            "index": self.searched(task),
            "gate": self.paths.gate_check.format(gate=gate),
        }
        run = {"task": task, "regime": regime, "method": method, "seed": seed}
        parts = (f"gates.{gate}", *judging_parts(task))
        return self._job("train", self.study.train_spec(*run.values()), inputs, parts, waits=("gate",), **run)

    def evaluate(self, task: str, regime: str, method: str, benchmark: str) -> Job:
        """One job serves all seeds: starting up costs more than evaluating."""
        inputs = {
            "data": self.data(task),
            "models": tuple(self.model(task, regime, method, seed) for seed in self.seeds),
            "index": self.searched(task),
        }
        arm = {"task": task, "regime": regime, "method": method}
        spec = self.study.evaluate_spec(task, benchmark)
        return self._job("evaluate", spec, inputs, judging_parts(task), **arm, benchmark=benchmark)

    def gates(self) -> Job:
        return self._job("gates", self.study.config.gates, {}, tuple(f"gates.{name}" for name in GATES))

    def analyse(self) -> Job:
        """The metrics of runs are not inputs: scores name their models by digest, and these name their metrics.

        The catalogue of gates has the checks of theory, which verdicts need.
        """
        evaluations = (
            self.evaluate(task, *arm, benchmark)
            for task in self.tasks
            for arm in self.study.arms(task)
            for benchmark in self.tasks[task].evaluation
        )
        scores = tuple(path for job in evaluations for path in job.writes)
        return self._job("analyse", self.study.analyse_spec(), {"scores": scores, "catalogue": self.paths.gates})

    def report(self) -> Job:
        """Its record is an output too: Snakemake keeps an old page, and the record shows whether it is current."""
        inputs = {
            **self.outputs["analyse"],
            **self.outputs["gates"],
            "data": tuple(map(self.data, self.tasks)),
        }
        return self._job("report", self.study.report_spec(), inputs)

    def data(self, task: str) -> str:
        return self.paths.data.format(task=task)

    def model(self, task: str, regime: str, method: str, seed: int) -> str:
        return self.paths.model_of(task, regime, method, seed)

    def searched(self, task: str) -> tuple[str, ...]:
        """Manifest of the index that the task's policy searches; empty if it searches none."""
        index = self.study.index_of(task)
        return (self.paths.index.format(index=index),) if index else ()

    def _job(self, rule: str, spec: Record, inputs: Files, parts: tuple[str, ...] = (), waits=(), **subject) -> Job:
        patterns = self.outputs[rule]
        wildcards = dict.fromkeys(re.findall(r"{(\w+)}", listed(patterns)[0]))
        outputs = {
            name: pattern.format(**subject) if isinstance(pattern, str) else tuple(p.format(**subject) for p in pattern)
            for name, pattern in patterns.items()
        }
        return Job(rule, spec, inputs, outputs, parts, waits, tuple(wildcards), **subject)


def stage_of(rule: str) -> str:
    """The stage that a rule runs. It has the rule's name, except that `policy` makes all policies without RL."""
    return "policy" if rule in POLICIES else rule


def outputs_by_rule(paths: Paths, seeds: tuple[int, ...]) -> dict[str, Files]:
    """The outputs of each rule, with its wildcards in braces."""
    return {
        "prepare": {"manifest": paths.data},
        "index": {"manifest": paths.index},
        "check_gate": {"check": paths.gate_check},
        **{method: {"model": paths.model_of("{task}", CONTROL, method, "{seed}")} for method in POLICIES},
        "train": {"model": paths.model, "metrics": paths.metrics},
        "evaluate": {"scores": tuple(paths.scores.replace("{seed}", str(seed)) for seed in seeds)},
        "gates": {"catalogue": paths.gates, "curves": paths.gate_curves},
        "analyse": {
            "comparisons": paths.comparisons,
            "verdicts": paths.verdicts,
            "tables": tuple(paths.tables),
        },
        "report": {"page": paths.page, "record": record_of(paths.page)},
    }


def listed(files: Files) -> tuple[str, ...]:
    """All paths, in order."""
    return tuple(chain.from_iterable((paths,) if isinstance(paths, str) else paths for paths in files.values()))


def from_outside(made: str, planned: bool, find: Callable[..., list[str | Path]], *what) -> tuple[str, ...]:
    """Files that no job makes, as paths from the working directory.

    They may be missing if `made`, the result made from them, exists: an archive has results without the corpora that
    they were made from. A plan does not need them either. Otherwise raises BadInput.
    """
    try:
        return tuple(os.path.relpath(file) for file in find(*what))
    except BadInput:
        if planned or Path(made).exists():
            return ()
        raise


def jobs_of(study: LoadedStudy, planned: bool = False) -> list[Job]:
    """Every job of a study. Raises BadInput."""
    return Jobs(study, planned).all()


def made_by(study: LoadedStudy, job: Job) -> dict[str, str]:
    """Digests of the current spec, code and environment of a job."""
    return {
        "spec": spec_digest(job.spec),
        "code": code_digest(job.stage, job.parts),
        "lock": lock_digest(environment_of(job.stage, study.config.device)),
    }
