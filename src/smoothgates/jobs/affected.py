"""Which jobs of a study a change of some files reruns."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from smoothgates.jobs.dag import Job, jobs_of, listed
from smoothgates.provenance.code_closure import SOURCE, code_behind, code_of
from smoothgates.provenance.environments import FOLDER, environment_of
from smoothgates.study.loader import LoadedStudy, load_study

ROOT = SOURCE.parent
RULES = (
    *(ROOT / name for name in ("Snakefile", "workflow")),
    *(SOURCE / f"smoothgates/provenance/{name}.py" for name in ("code_closure", "environments")),
)
"""What gives jobs their rules, code digests and environments."""


@dataclass(frozen=True)
class Effect:
    """What a change of one file does."""

    path: Path
    direct: list[Job] | None
    """Jobs that depend on the file itself: as code, as the lock of their environment, or as an input. None if there are
    none and the file shapes the DAG.
    """
    downstream: list[Job]
    """Jobs that read the outputs of `direct`. They run again only if these outputs change."""
    shapes_dag: bool
    """Whether the file is a config, or code that turns it into jobs. It then acts on jobs through their specs and rules
    too, and only the change can tell on which.
    """


def run(paths: list[Path], study_name: str, names: bool, as_json: bool) -> None:
    """Print the effect of a change of each file, then of all together."""
    study = load_study(study_name)
    jobs = jobs_of(study, planned=True)
    effects = [effect_of(path, study, jobs) for path in paths]
    if as_json:
        print(json.dumps({"study": study.name, "jobs": len(jobs), "files": [facts(effect) for effect in effects]}))
        return
    for effect in effects:
        print(f"{effect.path}: {sentence(effect, len(jobs))}")
        for job in (effect.direct or []) if names else ():
            print(f"  {title(job)}")
    if len(effects) > 1:
        direct = [job for job in jobs if any(job in (effect.direct or []) for effect in effects)]
        print(f"together: {counted(direct)} of {len(jobs)} jobs")


def effect_of(path: Path, study: LoadedStudy, jobs: list[Job]) -> Effect:
    """The effect of a change of a file on these jobs, which are all jobs of the study."""
    file = path.resolve()
    direct = [
        job
        for job in jobs
        if file in code_files(job.stage, job.parts)
        or file == (FOLDER / f"{environment_of(job.stage, study.config.device)}.lock").resolve()
        or file in map(Path.resolve, map(Path, listed(job.sources)))
    ]
    shapes_dag = file in shaping(study) or any(file.is_relative_to(part) for part in RULES)
    return Effect(path, direct or (None if shapes_dag else []), followers(direct, jobs), shapes_dag)


@cache
def shaping(study: LoadedStudy) -> frozenset[Path]:
    """The files from which Python makes the jobs of a study."""
    code = code_behind("jobs.dag", *(f"tasks.{task}" for task in study.config.tasks))
    return frozenset(map(Path.resolve, (*study.files, study.table, *map(Path, code))))


@cache
def code_files(stage: str, parts: tuple[str, ...]) -> frozenset[Path]:
    return frozenset(Path(file).resolve() for file in code_of(stage, parts))


def followers(changed: Iterable[Job], jobs: list[Job]) -> list[Job]:
    """Jobs that depend on the outputs of `changed`, directly or not. `jobs` are in an order in which they can run."""
    changed = {id(job) for job in changed}
    made = {output for job in jobs if id(job) in changed for output in job.writes}
    found = []
    for job in jobs:
        if id(job) not in changed and not made.isdisjoint(listed(job.sources)):
            found.append(job)
            made.update(job.writes)
    return found


def sentence(effect: Effect, every: int) -> str:
    altered = "the jobs whose spec or rule the change alters; `make pending` lists them after it"
    if effect.direct is None:
        return altered
    after = f"; if their results change, also {counted(effect.downstream)}" if effect.downstream else ""
    return f"{counted(effect.direct)} of {every} jobs{after}{f'; and {altered}' if effect.shapes_dag else ''}"


def counted(jobs: Iterable[Job]) -> str:
    """How many jobs there are of each stage: `54 train, 90 evaluate`, or `none`."""
    counts = Counter(job.stage for job in jobs)
    return ", ".join(f"{count} {stage}" for stage, count in counts.items()) or "none"


def facts(effect: Effect) -> dict:
    """The effect as JSON; `direct` is null where it depends on the change."""
    return {
        "path": str(effect.path),
        "direct": None if effect.direct is None else [title(job) for job in effect.direct],
        "downstream": [title(job) for job in effect.downstream],
    }


def title(job: Job) -> str:
    """`train math/near/erf/seed0`."""
    return f"{job.rule} {job.name}".rstrip()
