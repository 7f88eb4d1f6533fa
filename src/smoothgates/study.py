"""A study: one YAML file, one DAG. The typed config here is the single source of its schema."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from smoothgates.errors import BadInput
from smoothgates.method import Method, load_methods
from smoothgates.records import Record, parse, read_yaml
from smoothgates.specs import (
    AnalyseSpec,
    Architecture,
    Benchmark,
    EvaluateSpec,
    GatesSpec,
    PolicySpec,
    PrepareSpec,
    Regime,
    ReportSpec,
    Sampling,
    Supervised,
    TrainSpec,
)

__all__ = ["BadInput", "Method", "Study", "load_methods", "load_study"]

CONTROL = "control"
"""The pseudo-regime of rows that are no RL run: the warm start and supervised training continued."""
CONTROLS = ("warm_start", "sft")
"""The methods in it."""


class Data(Record):
    """How many problems are made, and from which seed."""

    train: PositiveInt
    heldout: PositiveInt
    seed: NonNegativeInt = 0


class Evaluation(Record):
    """One benchmark: final checkpoints on all of it, earlier ones on its first problems."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = "heldout"
    final: Benchmark
    curve: Benchmark
    seed: NonNegativeInt = 0


class Task(Record):
    """What one task runs: the product of its regimes and methods, for every seed."""

    data: Data
    evaluation: Evaluation
    sampling: Sampling
    regimes: Annotated[tuple[str, ...], Field(min_length=1)]
    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    warm_start: Supervised
    """Makes the policy that RL starts from, one a seed."""
    sft: Supervised
    """Continues the warm start without RL, so that nobody takes RL's gain for more than it is."""

    @model_validator(mode="after")
    def _enough_problems(self) -> "Task":
        for name, benchmark in (("final", self.evaluation.final), ("curve", self.evaluation.curve)):
            if benchmark.problems > self.data.heldout:
                raise ValueError(
                    f"evaluation.{name}.problems is {benchmark.problems}, but data.heldout makes {self.data.heldout}"
                )
        return self


class Study(Record):
    """Everything scientific about a study. How it is run (threads, memory, partitions) stands in the profiles."""

    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    """Each fixes a warm start, its prompts, its samples and its minibatches: runs are paired by seed."""
    reference: str
    """Method that the others are compared with."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Of every interval."""
    method_table: str = "methods.yaml"
    """File of method rows, relative to the study's file."""
    architecture: Architecture
    tasks: dict[Literal["math"], Task]
    regimes: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], Regime]
    checkpoint_every: PositiveInt
    """Rollouts between checkpoints that are kept for the learning curve."""
    gates: GatesSpec = GatesSpec(tau=(1.0, 5.0, 10.0), clip=0.2)
    """Temperatures at which the report draws the gates (Fig 1 of 2602.19345), and the hard clip's bound."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds must differ, got {list(seeds)}")
        return seeds

    @model_validator(mode="after")
    def _names_exist(self) -> "Study":
        for task_name, task in self.tasks.items():
            for regime in task.regimes:
                if regime not in self.regimes or regime == CONTROL:
                    raise ValueError(f"tasks.{task_name}.regimes: '{regime}' is not among {sorted(self.regimes)}")
            if self.reference not in task.methods:
                raise ValueError(f"reference: '{self.reference}' is not among tasks.{task_name}.methods")
            for key, names in (("regimes", task.regimes), ("methods", task.methods)):
                if len(set(names)) < len(names):
                    raise ValueError(f"tasks.{task_name}.{key}: a name stands twice in {list(names)}")
        return self


class LoadedStudy:
    """A study with its name, its methods and the specs of its jobs."""

    def __init__(self, path: Path):
        self.path, self.name = path, path.stem
        self.config = parse(Study, read_yaml(path), str(path))
        table = path.parent / self.config.method_table
        known = load_methods(table)
        wanted = {name for task in self.config.tasks.values() for name in task.methods}
        if unknown := sorted(wanted - known.keys()):
            raise BadInput(f"{path}: tasks: method '{unknown[0]}' has no row in {table}")
        self.methods = {name: known[name] for name in known if name in wanted}

    def prepare_spec(self, task: str) -> PrepareSpec:
        return PrepareSpec(task=task, **dict(self.config.tasks[task].data))

    def policy_spec(self, task: str, seed: int, method: Literal["warm_start", "sft"]) -> PolicySpec:
        chosen = self.config.tasks[task]
        return PolicySpec(
            task=task,
            method_name=method,
            seed=seed,
            architecture=self.config.architecture,
            supervised=chosen.warm_start if method == "warm_start" else chosen.sft,
        )

    def train_spec(self, task: str, regime: str, method: str, seed: int) -> TrainSpec:
        return TrainSpec(
            task=task,
            regime_name=regime,
            method_name=method,
            seed=seed,
            method=self.methods[method],
            regime=self.config.regimes[regime],
            sampling=self.config.tasks[task].sampling,
            checkpoint_every=self.config.checkpoint_every,
        )

    def evaluate_spec(self, task: str) -> EvaluateSpec:
        chosen = self.config.tasks[task]
        evaluation = chosen.evaluation
        return EvaluateSpec(
            task=task,
            benchmark=evaluation.name,
            final=evaluation.final,
            curve=evaluation.curve,
            max_new_tokens=chosen.sampling.max_new_tokens,
            seed=evaluation.seed,
        )

    def analyse_spec(self) -> AnalyseSpec:
        config = self.config
        return AnalyseSpec(study=self.name, reference=config.reference, confidence=config.confidence)

    def report_spec(self) -> ReportSpec:
        return ReportSpec(
            study=self.name,
            reference=self.config.reference,
            confidence=self.config.confidence,
            methods=self.methods,
            order=tuple(self.methods),
            config=str(self.path),
        )


def load_study(name: str, folder: Path = Path("config")) -> LoadedStudy:
    """A study by its name in `folder`, or by the path of a user's own YAML file. Raises BadInput."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    return LoadedStudy(path)
