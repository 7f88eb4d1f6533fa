"""Read a study from its YAML file, and build the spec of each job."""

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, product
from pathlib import Path
from typing import cast

from smoothgates.data.public import public_files
from smoothgates.errors import BadInput
from smoothgates.io.records import parse
from smoothgates.methods.method import Method
from smoothgates.methods.table import load_methods
from smoothgates.policy.shape import KNOWN, shape_of
from smoothgates.provenance.run_record import spec_digest
from smoothgates.specs.analyse import AnalyseSpec, Arms, seedless_fingerprint, spec_fingerprint
from smoothgates.specs.claims import Claims
from smoothgates.specs.control import CONTROL, SFT, WARM_START, WARM_START_MOE, PolicyName
from smoothgates.specs.evaluate import EvaluateSpec
from smoothgates.specs.policy import PolicySpec
from smoothgates.specs.prepare import PrepareSpec
from smoothgates.specs.questions import Questions
from smoothgates.specs.report import ReportSpec, Schedule
from smoothgates.specs.rollout import WORLD
from smoothgates.specs.train import Regime, TrainSpec
from smoothgates.study.claims import load_claims, load_questions
from smoothgates.study.extends import read_extended
from smoothgates.study.rehearsal import rehearsal_of
from smoothgates.study.schema import Study

ALONE = 0.9
"""Share of the accelerator's memory that vLLM takes in evaluation, where no trainer needs any."""


CONFIG = Path(__file__).resolve().parents[3] / "config"
"""The `config` folder of the checkout."""


@dataclass(frozen=True, eq=False)
class LoadedStudy:
    """A study as it was read, and the specs of its jobs."""

    path: Path
    """The path that was asked for. A rehearsal has no file of its own there."""
    file: Path
    """The file that was read."""
    extends: Path | None
    """The file of the study that it extends."""
    config: Study
    table: Path
    """The file of the methods."""
    methods: dict[str, Method]
    """The methods that the tasks run. Figures and tables have them in this order."""
    claims_file: Path
    """The file of the papers' claims."""
    questions_file: Path
    """The file of the questions beyond them."""

    @property
    def name(self) -> str:
        """The name of the folders of its results, logs and report."""
        return self.path.stem

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were read."""
        return (self.file, self.extends) if self.extends else (self.file,)

    @property
    def lock(self) -> Path:
        """The file that pins the data sets that the project itself does not pin."""
        return self.file.with_suffix(".lock.yaml")

    def seeded(self, count: int) -> "LoadedStudy":
        """The same study with the seeds 0, 1, … `count` - 1, for plans."""
        return replace(self, config=self.config.model_copy(update={"seeds": tuple(range(count))}))

    def controls(self, task: str) -> list[str]:
        """The methods of the pseudo-regime `control`, which runs no RL."""
        chosen = self.config.tasks[task]
        return [WARM_START, *([WARM_START_MOE] if chosen.moe else []), *([SFT] if chosen.sft else [])]

    def start_of(self, regime: str) -> str:
        """The control that the runs of a regime start from."""
        return WARM_START_MOE if regime in self.config.moe_regimes else WARM_START

    def has_experts(self, regime: str, method: str) -> bool:
        """Whether the policies of an arm have experts where the study's own have none."""
        return regime in self.config.moe_regimes or method == WARM_START_MOE

    def arms(self, task: str) -> list[tuple[str, str]]:
        """Every (regime, method) of a task, its controls included."""
        chosen = self.config.tasks[task]
        trained = (product([name], block.runs[name]) for block in chosen.blocks for name in block.regimes)
        return [*chain(*trained), *((CONTROL, method) for method in self.controls(task))]

    def prepare_spec(self, task: str) -> PrepareSpec:
        return PrepareSpec(task=task, **dict(self.config.tasks[task].data))

    def policy_spec(self, task: str, seed: int, method: PolicyName) -> PolicySpec:
        chosen, arch = self.config.tasks[task], self.config.architecture
        supervised = chosen.sft if method == SFT else chosen.warm_start
        if method == WARM_START_MOE:
            assert arch is not None  # the schema checks that published models have no block with experts
            assert chosen.moe is not None
            arch = arch.model_copy(update={"experts": chosen.moe.experts})
            supervised = chosen.moe.warm_start
        return PolicySpec(
            task=task,
            method_name=method,
            seed=seed,
            architecture=arch,
            model=self.config.model_of(task),
            tokenizer=self.config.tokenizer,
            supervised=supervised,
        )

    def train_spec(self, task: str, regime: str, method: str, seed: int) -> TrainSpec:
        return TrainSpec(
            task=task,
            regime_name=regime,
            method_name=method,
            seed=seed,
            method=self.methods[method],
            regime=self.config.regimes[regime],
            protocol=self.config.tasks[task].protocol,
            sampling=self.config.tasks[task].sampling,
            engine=self.config.engine,
            sampler=self.config.sampler,
            published=self.config.model_of(task) is not None,
            checkpoint_every=self.config.checkpoint_every,
        )

    def index_of(self, task: str) -> str | None:
        """The name of the index that a task's tools search, if there is one."""
        tools = self.config.tasks[task].protocol.tools
        return None if tools is None or tools.retriever == WORLD else tools.retriever

    def data_files(self, task: str) -> list[str]:
        """The files that determine the public data of a task."""
        data = self.config.tasks[task].data
        sources = [part.source for part in (*data.train, *data.benchmarks.values())]
        mirror = Path(self.config.data_mirror) if self.config.data_mirror else None
        return [str(path) for path in public_files(task, sources, mirror)]

    def evaluate_spec(self, task: str, benchmark: str) -> EvaluateSpec:
        chosen = self.config.tasks[task]
        return EvaluateSpec(
            task=task,
            benchmark=benchmark,
            protocol=chosen.protocol,
            sampler=self.config.sampler.model_copy(update={"correction": None, "memory": ALONE}),
            dtype=self.config.engine.dtype,
            published=self.config.model_of(task) is not None,
            **dict(chosen.evaluation[benchmark]),
        )

    @cached_property
    def claims(self) -> Claims:
        """The papers' claims. They are read when they are first needed: only `analyse` and `report` have them."""
        return load_claims(self.claims_file)

    @cached_property
    def questions(self) -> Questions:
        """Questions beyond them, read likewise."""
        return load_questions(self.questions_file)

    def scale(self, task: str, regime: str) -> str:
        """The size of the policy of a regime in words, for verdicts: `106k parameters`."""
        model, arch = self.config.model_of(task), self.config.architecture
        if model is not None and model.stand_in is None:
            size = f"{in_words(KNOWN[model.hub].parameters)} parameters, " if model.hub in KNOWN else ""
            return f"{size}{model.hub}"
        arch = model.stand_in if model else arch
        assert arch is not None  # the schema checks it
        chosen = self.config.tasks[task].moe
        if chosen and regime in chosen.runs:
            arch = arch.model_copy(update={"experts": chosen.experts})
        return f"{in_words(shape_of(arch).parameters)} parameters"

    def analyse_spec(self) -> AnalyseSpec:
        return AnalyseSpec(
            study=self.name,
            reference=self.config.reference,
            confidence=self.config.confidence,
            seeds=self.config.seeds,
            tasks={
                task: Arms(
                    arms=tuple(self.arms(task)),
                    starts={regime: self.start_of(regime) for block in chosen.blocks for regime in block.regimes},
                    benchmarks=tuple(sorted(chosen.evaluation)),
                    trained={
                        f"{regime}/{method}": self.arm_digest(task, regime, method)
                        for regime, method in self.arms(task)
                    },
                    evaluated={
                        name: spec_fingerprint(self.evaluate_spec(task, name).model_dump(mode="json"))
                        for name in chosen.evaluation
                    },
                    scale={regime: self.scale(task, regime) for block in chosen.blocks for regime in block.regimes},
                )
                for task, chosen in self.config.tasks.items()
            },
            claims=self.claims,
            questions=self.questions,
            rehearses=None if self.file == self.path else self.file.stem,
        )

    def arm_digest(self, task: str, regime: str, method: str) -> str:
        """Digest of the spec that the runs of an arm share, without its seed."""
        if regime == CONTROL:
            return seedless_fingerprint(self.policy_spec(task, 0, cast(PolicyName, method)).model_dump(mode="json"))
        return seedless_fingerprint(self.train_spec(task, regime, method, 0).model_dump(mode="json"))

    def _schedules(self) -> dict[str, Schedule]:
        """The schedule of each regime that some task runs."""
        blocks = [block for task in self.config.tasks.values() for block in task.blocks]
        names = dict.fromkeys(name for block in blocks for name in block.regimes)
        return {name: schedule_of(self.config.regimes[name]) for name in names}

    def report_spec(self) -> ReportSpec:
        return ReportSpec(
            study=self.name,
            reference=self.config.reference,
            confidence=self.config.confidence,
            methods=self.methods,
            order=tuple(self.methods),
            regimes=self._schedules(),
            moe=self.config.moe_regimes,
            notes=self.config.notes,
            indexes=tuple(sorted(self.config.indexes)),
            analysed=spec_digest(self.analyse_spec()),
        )


def load_study(name: str, folder: Path | None = None) -> LoadedStudy:
    """Read a study by its name in `folder`, or by the path of its YAML file. Raises BadInput.

    `folder`: by default `config` of the working directory, or of the checkout if there is no such folder.
    `NAME_rehearsal` and `NAME_rehearsal_cpu` are rehearsals of the study NAME, see rehearsal.py.
    """
    return read_study(study_path(name, folder), folder)


def read_study(path: Path, folder: Path | None = None) -> LoadedStudy:
    """Read a study from its file, and its methods from the table that it names or from `folder`. Raises BadInput."""
    name_of(path)
    file, change = rehearsal_of(path)
    content, extends = read_extended(file)
    config = change(parse(Study, content, str(file)))
    own = config.method_table
    table = file.parent / own if own else (folder or config_folder()) / "methods.yaml"
    known = load_methods(table)
    # In the order of the longest list, not of YAML's mappings: figures and tables follow it.
    lists = [names for task in config.tasks.values() for block in task.blocks for names in block.runs.values()]
    lists.sort(key=lambda names: (-len(names), names))
    wanted = list(dict.fromkeys(chain(*lists)))
    if unknown := [name for name in wanted if name not in known]:
        raise BadInput(f"{path}: tasks: method '{unknown[0]}' has no row in {table}")
    for task, chosen in config.tasks.items():
        dense = not config.model_of(task) and not (config.architecture and config.architecture.experts)
        replaying = [
            (regime, name) for regime, names in chosen.runs.items() for name in names if known[name].routing_replay
        ]
        if dense and replaying:
            regime, name = replaying[0]
            raise BadInput(f"{path}: tasks.{task}.runs.{regime}: '{name}' replays routing, which needs experts")
    methods = {name: known[name] for name in wanted}
    asked = [shared(name, folder) for name in ("claims.yaml", "questions.yaml")]
    return LoadedStudy(path, file, extends, config, table, methods, *asked)


def shared(name: str, folder: Path | None) -> Path:
    """A file of the config folder, or else of the checkout's: the papers claim the same everywhere."""
    file = (folder or config_folder()) / name
    return file if file.exists() else CONFIG / name


def schedule_of(regime: Regime) -> Schedule:
    """What the report says of a regime: its schedule, and what else differs from the defaults."""
    own = {name: getattr(regime, name) for name in ("rollouts", "minibatches", "epochs", "lag")}
    others = {name: value for name, value in regime if name not in {*own, "optimizer"}}
    return Schedule(**own, more={n: value for n, value in others.items() if value != Regime.model_fields[n].default})


def in_words(count: int) -> str:
    """A number of parameters with three digits.

    >>> [in_words(count) for count in (106_432, 7_615_616_512, 999)]
    ['106k', '7.62B', '999']
    """
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def study_path(name: str, folder: Path | None = None) -> Path:
    """The path of a study's file. Raises BadInput if the name is empty, as in `make study STUDY=`."""
    if not isinstance(name, str) or not name.strip():
        raise BadInput(
            f"study: expected a name in config/ or the path of a YAML file, got {name!r} (--config is read as YAML)"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{name}: expected the name of a study in UTF-8") from None
    return Path(name) if name.endswith((".yaml", ".yml")) else (folder or config_folder()) / f"{name}.yaml"


def name_of(path: Path) -> str:
    """The name of the study in a file. Folders and shell commands contain it. Raises BadInput."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", path.stem):
        raise BadInput(f"{path}: expected a name of letters, digits, _ and - before .yaml: folders are named after it")
    return path.stem


def config_folder() -> Path:
    """`config` of the working directory, or of the checkout if there is no such folder."""
    return Path("config") if Path("config/methods.yaml").is_file() else Path(os.path.relpath(CONFIG))
