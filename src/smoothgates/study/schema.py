"""The config records of a study's YAML file. Its JSON schema is derived from them."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, field_validator, model_validator

from smoothgates.io.bounds import Seed, Updates
from smoothgates.io.records import Record
from smoothgates.retrieval.spec import IndexSpec
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.control import CONTROL
from smoothgates.specs.evaluate import SamplingBudget
from smoothgates.specs.fields import Name, TaskName
from smoothgates.specs.gates import GatesSpec
from smoothgates.specs.policy import Model
from smoothgates.specs.prepare import Part
from smoothgates.specs.rollout import WORLD, Protocol, SamplerConfig
from smoothgates.specs.supervised import Supervised
from smoothgates.specs.train import EngineConfig, Regime, Sampling
from smoothgates.tasks import load_rewards, load_task


class Data(Record):
    """The training data and the benchmarks of a task, by source."""

    train: Annotated[tuple[Part, ...], Field(min_length=1)]
    """Parts to train on. Several parts are mixed in equal numbers."""
    benchmarks: Annotated[dict[Name, Part], Field(min_length=1)]
    seed: Seed = 0


class Evaluation(Record):
    """How a benchmark is run."""

    final: SamplingBudget
    """Problems and samples for final checkpoints."""
    greedy: bool = False
    """Also answer each problem once at temperature 0."""
    curve: SamplingBudget | None = None
    """Problems and samples for earlier checkpoints, which make the learning curve. None: they are not evaluated."""
    temperature: NonNegativeFloat = 1.0
    seed: Seed = 0


class Block(Record):
    """Runs that start from one policy of a seed."""

    runs: Annotated[dict[str, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=1)]
    """The methods of each regime. Each of them has one run for every seed."""

    @property
    def regimes(self) -> list[str]:
        """The regimes, those with most methods first. The order of the file's keys means nothing."""
        return sorted(self.runs, key=lambda regime: (-len(self.runs[regime]), regime))


class WithExperts(Block):
    """Runs of a task whose policy has experts, beside those of its dense policy."""

    experts: ExpertsConfig
    warm_start: Supervised | None
    """Trains the policy that these runs start from, one for each seed."""


class TaskConfig(Block):
    """One task of a study."""

    data: Data
    model: Model | None = None
    """The published model that this task starts from, instead of the study's."""
    protocol: Protocol
    sampling: Sampling
    evaluation: Annotated[dict[Name, Evaluation], Field(min_length=1)]
    """How each benchmark is run, by name."""
    moe: WithExperts | None = None
    """More runs, whose policy has experts."""
    warm_start: Supervised | None
    """Trains the policy that RL starts from, one for each seed. None: RL starts from random weights."""
    sft: Supervised | None
    """Continues the warm start without RL, as a control. None: no such control."""

    @property
    def blocks(self) -> list[Block]:
        """The runs from its dense policy, and those from its policy with experts."""
        return [self, *([self.moe] if self.moe else [])]

    @property
    def supervised(self) -> dict[str, Supervised | None]:
        """Settings of training on demonstrations, by key."""
        of_experts = self.moe.warm_start if self.moe else None
        return {"warm_start": self.warm_start, "sft": self.sft, "moe.warm_start": of_experts}

    @model_validator(mode="after")
    def _enough_problems(self) -> "TaskConfig":
        for name, evaluation in self.evaluation.items():
            if name not in self.data.benchmarks:
                raise ValueError(f"evaluation: '{name}' is not among data.benchmarks {sorted(self.data.benchmarks)}")
            rows = self.data.benchmarks[name].rows
            for part in ("final", "curve"):
                asked = getattr(evaluation, part)
                if asked and rows and asked.problems > rows:
                    raise ValueError(
                        f"evaluation.{name}.{part}.problems is {asked.problems}, but data.benchmarks.{name} has {rows}"
                    )
        return self


class Study(Record):
    """Everything that determines a study's results. How it is run (threads, partitions) is a matter of the profiles."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]
    """Each seed fixes a warm start, prompts, samples and minibatches: runs are paired by seed."""
    reference: str
    """The method that the others are compared with."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Confidence level of all intervals."""
    method_table: str | None = None
    """The file of the methods, relative to the study's file. None: methods.yaml of the config folder."""
    architecture: Architecture | None = None
    """Architecture of policies that start from random weights."""
    model: Model | None = None
    """The published model that every run starts from, instead of `architecture`."""
    tokenizer: Literal["words", "bytes"] = "words"
    """`words`: one id for each word of generated texts. `bytes`: byte-level BPE. Published models bring their own."""
    engine: EngineConfig = EngineConfig()
    sampler: SamplerConfig = SamplerConfig()
    device: Literal["cpu", "cuda"] = "cpu"
    """The device that trains and samples. Its stages run in the pinned environment for it."""
    data_mirror: str | None = None
    """A folder with the public data sets as files, used instead of the hub."""
    model_mirror: str | None = None
    """A folder with published models as ORGANISATION/NAME, used instead of the hub."""
    indexes: dict[Name, IndexSpec] = Field(default={})
    """The indexes that the tools of a task may search, by name."""
    tasks: Annotated[dict[TaskName, TaskConfig], Field(min_length=1)]
    regimes: dict[Name, Regime]
    checkpoint_every: Updates
    """Rollouts between two checkpoints that are kept for the learning curve."""
    gates: GatesSpec = GatesSpec(tau=(1.0, 5.0, 10.0), clip=0.2)
    """Temperatures and clip bound at which the report draws the gates (Fig. 1 of 2602.19345)."""
    notes: dict[str, str] = Field(default={})
    """Notes for the report on what the study can and cannot show: text by title."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds must differ, got {list(seeds)}")
        return seeds

    @field_validator("regimes")
    @classmethod
    def _not_the_control(cls, regimes: dict[str, Regime]) -> dict[str, Regime]:
        if CONTROL in regimes:
            raise ValueError(f"'{CONTROL}' is reserved for runs without RL: choose another name")
        return regimes

    @model_validator(mode="after")
    def _starts_exist(self) -> "Study":
        for name, regime in self.regimes.items():
            if regime.start not in (None, *self.seeds):
                raise ValueError(f"regimes.{name}.start: {regime.start} is not among seeds {list(self.seeds)}")
        return self

    @model_validator(mode="after")
    def _one_policy(self) -> "Study":
        if (self.architecture is None) == (self.model is None):
            raise ValueError("expected one of `architecture` and `model`")
        for name, task in self.tasks.items():
            if self.model_of(name) and (task.warm_start or task.sft):
                raise ValueError(f"tasks.{name}: a published model is used as it is: set warm_start and sft to null")
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> "Study":
        for task_name, task in self.tasks.items():
            _check_task(task_name, task, None if self.model_of(task_name) else self.tokenizer)
            tools = task.protocol.tools
            if tools and tools.retriever not in (WORLD, *self.indexes):
                raise ValueError(
                    f"tasks.{task_name}.protocol.tools.retriever: '{tools.retriever}' is not among indexes"
                )
            for block, key in zip(task.blocks, (task_name, f"{task_name}.moe"), strict=False):
                self._check_block(block, f"tasks.{key}")
            if task.moe and (self.model_of(task_name) or (self.architecture and self.architecture.experts)):
                raise ValueError(f"tasks.{task_name}.moe: expected a study whose policy has no experts otherwise")
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> "Study":
        for name, task in self.tasks.items():
            _check_sizes(f"tasks.{name}", task, self.regimes)
            if self.architecture and not self.model_of(name):
                asked, positions = task.protocol.most_tokens, self.architecture.max_position_embeddings
                if asked >= positions:
                    raise ValueError(
                        f"architecture.max_position_embeddings: {positions} is too few: tasks.{name}.protocol allows"
                        f" completions of {asked} tokens, and the prompt needs room too"
                    )
        return self

    def _check_block(self, block: Block, key: str) -> None:
        for regime, methods in block.runs.items():
            if regime not in self.regimes:
                raise ValueError(f"{key}.runs: '{regime}' is not among regimes {sorted(self.regimes)}")
            if self.reference not in methods:
                raise ValueError(f"reference: '{self.reference}' is not among {key}.runs.{regime}")
            if len(set(methods)) < len(methods):
                raise ValueError(f"{key}.runs.{regime}: duplicate name in {list(methods)}")

    @model_validator(mode="after")
    def _regimes_of_experts_apart(self) -> "Study":
        dense = {regime for task in self.tasks.values() for regime in task.regimes}
        if shared := sorted(dense & set(self.moe_regimes)):
            raise ValueError(f"tasks: regime '{shared[0]}' is used for policies with experts and for policies without")
        return self

    @property
    def moe_regimes(self) -> tuple[str, ...]:
        """The regimes whose policies have experts beside the dense policy of their task."""
        blocks = [task.moe for task in self.tasks.values() if task.moe]
        return tuple(dict.fromkeys(regime for block in blocks for regime in block.regimes))

    def model_of(self, task: str) -> Model | None:
        """The published model that a task starts from. None: it has a policy of `architecture`."""
        return self.tasks[task].model or self.model


def _check_task(name: str, task: TaskConfig, tokenizer: str | None) -> None:
    """Check the names that the task's folder defines."""
    known = load_task(name)
    for key, chosen, choices in (
        ("prompt", task.protocol.prompt, known.prompts),
        ("reward", task.protocol.reward, load_rewards(name)),
    ):
        if chosen not in choices:
            raise ValueError(f"tasks.{name}.protocol.{key}: '{chosen}' is not among {sorted(choices)}")
    sources = sorted({*known.generators, *known.sources})
    for part in (*task.data.train, *task.data.benchmarks.values()):
        if part.source not in sources:
            raise ValueError(f"tasks.{name}.data: source '{part.source}' is not among {sources}")
        if part.source in known.generators and part.rows is None:
            raise ValueError(f"tasks.{name}.data: source '{part.source}' is generated: say how many `rows`")
    tools = task.protocol.tools
    if bool(tools) != (known.environment is not None):
        raise ValueError(f"tasks.{name}.protocol.tools: {'the task has no tools' if tools else 'the task needs tools'}")
    used = {part.source for part in (*task.data.train, *task.data.benchmarks.values())}
    public = sorted(used - known.generators.keys())
    if public and tokenizer == "words":
        raise ValueError(f"tokenizer: 'words' knows generated texts only, and tasks.{name}.data has '{public[0]}'")
    shown = {source for source, generator in known.generators.items() if generator.careful}
    silent = [part.source for part in task.data.train if part.source not in shown]
    if silent and (task.warm_start or task.sft):
        raise ValueError(f"tasks.{name}: '{silent[0]}' has no demonstrations: set warm_start and sft to null")
    if len(task.data.train) > 1 and (task.warm_start or task.sft):
        raise ValueError(
            f"tasks.{name}.data.train: demonstrations come from one source, {len(task.data.train)} are named"
        )
    if tools and (tools.retriever == WORLD) == bool(public):
        raise ValueError(
            f"tasks.{name}.protocol.tools.retriever: '{WORLD}' is for generated examples, and only for them"
        )


def _check_sizes(key: str, task: TaskConfig, regimes: dict[str, Regime]) -> None:
    """Check batches against the data and minibatches against the rollout, as far as their sizes are known."""
    rows = [part.rows for part in task.data.train if part.rows is not None]
    if len(rows) == len(task.data.train):
        taken = {"sampling.prompts": task.sampling.prompts}
        taken |= {f"{name}.batch_size": part.batch_size for name, part in task.supervised.items() if part}
        for name, count in taken.items():
            if count > sum(rows):
                raise ValueError(f"{key}.{name}: {count} is more than the {sum(rows)} rows of data.train")
    completions = task.sampling.prompts * task.sampling.group
    for regime in (name for block in task.blocks for name in block.regimes):
        if regimes[regime].minibatches > completions:
            raise ValueError(
                f"regimes.{regime}.minibatches: {regimes[regime].minibatches} is more than the"
                f" {completions} completions of a rollout of {key}"
            )
