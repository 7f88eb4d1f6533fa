"""Every job of a study, without Snakemake: what `plan` counts and `verify` checks. A test holds it to the DAG."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.gates import GATES
from smoothgates.io.paths import Paths, record_of
from smoothgates.io.records import Record
from smoothgates.provenance.code_closure import code_digest
from smoothgates.provenance.environments import environment_of, lock_digest
from smoothgates.provenance.run_record import spec_digest
from smoothgates.retrieval.passages import corpus_files
from smoothgates.specs.fields import CONTROL
from smoothgates.specs.gates import CheckGateSpec
from smoothgates.study.loader import LoadedStudy


@dataclass(frozen=True)
class Job:
    """One job: what it is told, reads and leaves. Paths are relative to the working directory; code is not listed."""

    rule: str
    stage: str
    """`python -m smoothgates STAGE`."""
    name: str
    """What a person calls it: `math/near/erf/seed0`."""
    spec: Record
    parts: tuple[str, ...]
    """Of its code, for `code_of`."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """As Snakemake knows them; what else they name is in their records."""
    waits: tuple[str, ...] = ()
    """Inputs that only say that it may run: no bit of the result depends on them."""

    @property
    def sources(self) -> list[str]:
        """The inputs that it is made from."""
        return [path for path in self.inputs if path not in self.waits]

    @property
    def records(self) -> list[str]:
        """The run.json of each result."""
        return list(dict.fromkeys(map(record_of, self.outputs)))


class Jobs:
    """The jobs of a study, by rule. The rules ask the same methods for what each job is told.

    `planned`: files from outside need not be there yet, and are no inputs then.
    """

    def __init__(self, study: LoadedStudy, planned: bool = False):
        self.study, self.paths = study, Paths(study.name)
        self.tasks, self.seeds = study.config.tasks, study.config.seeds
        self.public = {
            task: given(self.paths.data.format(task=task), planned, study.data_files, task) for task in self.tasks
        }
        self.used_gates = list(dict.fromkeys(method.gate for method in study.methods.values()))
        self.corpora = {
            name: given(self.paths.index.format(name=name), planned, corpus_files, index.corpus)
            for name, index in study.config.indexes.items()
        }

    def all(self) -> list[Job]:
        """In an order in which they could run."""
        arms = [(task, *arm) for task in self.tasks for arm in self.study.arms(task)]
        runs = [(*arm, seed) for arm in arms for seed in self.seeds]
        return [
            *(self.prepare(task) for task in self.tasks),
            *(self.index(name) for name in self.corpora),
            *(self.check_gate(gate) for gate in self.used_gates),
            *(self.policy(*run) for run in runs if run[1] == CONTROL),
            *(self.train(*run) for run in runs if run[1] != CONTROL),
            *(self.evaluate(*arm, benchmark) for arm in arms for benchmark in self.tasks[arm[0]].evaluation),
            self.gates(),
            self.analyse(),
            self.report(),
        ]

    def prepare(self, task: str) -> Job:
        path = self.paths.data.format(task=task)
        spec = self.study.prepare_spec(task)
        return Job("prepare", "prepare", task, spec, (f"tasks.{task}",), self.public[task], (path,))

    def index(self, name: str) -> Job:
        spec = self.study.config.indexes[name]
        return Job("index", "index", name, spec, (), self.corpora[name], (self.paths.index.format(name=name),))

    def check_gate(self, gate: str) -> Job:
        """One job serves all methods with the gate and is told nothing of them: a new temperature reruns no check."""
        path = self.paths.gate_check.format(gate=gate)
        return Job("check_gate", "check_gate", gate, CheckGateSpec(gate=gate), (f"gates.{gate}",), (), (path,))

    def policy(self, task: str, regime: str, method: str, seed: int) -> Job:
        """A policy without RL: a warm start, or the control that continues it."""
        data = self.paths.data.format(task=task)
        start = (self.start(task, regime, seed),) if method == "sft" else ()
        return Job(
            method,
            "policy",
            f"{task}/{regime}/{method}/seed{seed}",
            self.study.policy_spec(task, seed, method),
            (f"tasks.{task}",),
            (data, *start),
            (self.model(task, regime, method, seed),),
        )

    def train(self, task: str, regime: str, method: str, seed: int) -> Job:
        data, start = self.paths.data.format(task=task), self.start(task, regime, seed)
        return Job(
            "train",
            "train",
            f"{task}/{regime}/{method}/seed{seed}",
            self.study.train_spec(task, regime, method, seed),
            self.train_parts(task, method),
            (data, start, *self.searched(task), self.checked(method)),
            (self.model(task, regime, method, seed), self.metrics(task, regime, method, seed)),
            waits=(self.checked(method),),
        )

    def train_parts(self, task: str, method: str) -> tuple[str, str]:
        """The one gate that the method uses, and the one task that it trains on."""
        return f"gates.{self.study.methods[method].gate}", f"tasks.{task}"

    def evaluate(self, task: str, regime: str, method: str, benchmark: str) -> Job:
        """One job serves all seeds: starting up costs more than evaluating."""
        return Job(
            "evaluate",
            "evaluate",
            f"{task}/{regime}/{method}/{benchmark}",
            self.study.evaluate_spec(task, benchmark),
            (f"tasks.{task}",),
            (self.paths.data.format(task=task), *self.models(task, regime, method), *self.searched(task)),
            tuple(self.scores(task, regime, method, seed, benchmark) for seed in self.seeds),
        )

    def gates(self) -> Job:
        parts = tuple(f"gates.{name}" for name in GATES)
        return Job("gates", "gates", "", self.study.config.gates, parts, (), (self.paths.gates, self.paths.gate_curves))

    def analyse(self) -> Job:
        """Metrics of runs are no input: scores name the models that they are of, and these their metrics."""
        scores = [
            self.scores(task, *arm, seed, benchmark)
            for task in self.tasks
            for arm in self.study.arms(task)
            for seed in self.seeds
            for benchmark in self.tasks[task].evaluation
        ]
        outputs = (self.paths.comparisons, *self.paths.tables)
        return Job("analyse", "analyse", "", self.study.analyse_spec(), (), tuple(scores), outputs)

    def report(self) -> Job:
        """Its record is an output too: Snakemake keeps an old page, and the record tells whether it is current."""
        data = [self.paths.data.format(task=task) for task in self.tasks]
        inputs = (self.paths.comparisons, *self.paths.tables, *data, self.paths.gates, self.paths.gate_curves)
        return Job(
            "report", "report", "", self.study.report_spec(), (), inputs, (self.paths.page, record_of(self.paths.page))
        )

    def model(self, task: str, regime: str, method: str, seed: int) -> str:
        return self.paths.model_of(task, regime, method, seed)

    def start(self, task: str, regime: str, seed: int) -> str:
        """Manifest of the policy that runs of a regime start from."""
        return self.model(task, CONTROL, self.study.start_of(regime), seed)

    def checked(self, method: str) -> str:
        """What the check of the method's gate leaves."""
        return self.paths.gate_check.format(gate=self.study.methods[method].gate)

    def models(self, task: str, regime: str, method: str) -> list[str]:
        return [self.model(task, regime, method, seed) for seed in self.seeds]

    def metrics(self, task: str, regime: str, method: str, seed: int) -> str:
        return self.paths.metrics.format(task=task, regime=regime, method=method, seed=seed)

    def scores(self, task: str, regime: str, method: str, seed: int, benchmark: str) -> str:
        return self.paths.scores.format(task=task, regime=regime, method=method, seed=seed, benchmark=benchmark)

    def searched(self, task: str) -> list[str]:
        """Manifest of the index that the task's policy searches, as a list: empty if it searches none."""
        name = self.study.index_of(task)
        return [self.paths.index.format(name=name)] if name else []


def given(made: str, planned: bool, find: Callable[..., list[str | Path]], *what) -> tuple[str, ...]:
    """Files from outside, as paths from the working directory. They may be gone where what is made of them is there:
    an archive holds results, not the corpora that they began with. What is only planned may do without, too.
    """
    try:
        return tuple(os.path.relpath(file) for file in find(*what))
    except BadInput:
        if planned or Path(made).exists():
            return ()
        raise


def jobs_of(study: LoadedStudy, planned: bool = False) -> list[Job]:
    """Every job of a study."""
    return Jobs(study, planned).all()


def made_by(study: LoadedStudy, job: Job) -> dict[str, str]:
    """Digests of what a job would be made by today, beside its inputs."""
    return {
        "spec": spec_digest(job.spec),
        "code": code_digest(job.stage, job.parts),
        "lock": lock_digest(environment_of(job.stage, study.config.device)),
    }
