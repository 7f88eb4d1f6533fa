"""verify: check that every result matches its run record, byte for byte, and would be made the same way today."""

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from smoothgates.io.files import TEMPORARY
from smoothgates.io.paths import Paths
from smoothgates.jobs.dag import Job, jobs_of, made_by
from smoothgates.ops.results.inventory import ABSENT, Result, digests, files_below, results_of
from smoothgates.ops.results.pruned import PRUNED
from smoothgates.study.loader import LoadedStudy

State = Literal["done", "not yet", "follows", "stale", "foreign", "damaged"]
"""From best to worst. `follows`: made from results that are stale, foreign or damaged."""
STATES: tuple[State, ...] = get_args(State)
FINE: tuple[State, ...] = ("done", "not yet")


@dataclass(frozen=True)
class Finding:
    """One fault of one file."""

    kind: State
    path: str
    why: str
    rule: str = ""
    job: str = ""
    """The rule and the name of the job that the file belongs to. Both are empty if there is none."""

    @property
    def is_stray(self) -> bool:
        """Whether the file belongs to no job."""
        return self.kind == "foreign" and not self.rule


@dataclass(frozen=True)
class Audit:
    """The state of a study's results."""

    study: str
    states: list[tuple[Job, State]]
    """Jobs and their states, in an order in which the jobs could run."""
    findings: list[Finding]
    leftovers: list[str]
    """Temporary files and folders, of running or killed processes."""
    notes: Counter[str]
    """Remarks that are not faults, with the number of results that they concern."""

    def jobs(self, *states: State) -> list[Job]:
        return [job for job, state in self.states if state in states]


def verify(study: LoadedStudy, thorough: bool = True) -> Audit:
    """Check every result of a study. Each file is read once. Unless `thorough`, only the files that Snakemake knows."""
    jobs = jobs_of(study)
    results = [results_of(job) for job in jobs]
    every = list(chain.from_iterable(results))
    found = {path: made for result in every for path, made in result.outputs.items()}
    named = [(*result.declared, *result.inputs, *(result.outputs if thorough else ())) for result in every]
    found |= digests(chain.from_iterable(named))
    states, findings, troubled = [], [], set()
    for job, own in zip(jobs, results, strict=True):
        today = made_by(study, job)
        judged = [judge(result, today, found, troubled) for result in own]
        if all(state == "done" for state, _ in judged):
            judged.append(compare_inputs(job, own))
        state = max((state for state, _ in judged), key=STATES.index)
        states.append((job, state))
        findings += [Finding(kind, *fault, job.rule, job.name) for kind, faults in judged for fault in faults]
        if state not in FINE:
            troubled.update(job.writes)
    strangers, leftovers = stray_files(Paths(study.name), every, found)
    findings += [Finding("foreign", path, "no job makes it") for path in strangers]
    return Audit(study.name, states, findings, leftovers, notes_on(every, found))


Judgement = tuple[State, list[tuple[str, str]]]
"""A state and its causes: the file and its fault."""


def judge(result: Result, today: dict[str, str], found: dict[str, str], troubled: set[str]) -> Judgement:
    """The state of one result, and the reason.

    `today`: the digests of `made_by`. `found`: the current digests of all files. `troubled`: files of results that are
    stale, foreign or damaged. A result that was made from them has the state `follows`, which is not a finding.
    """
    present = [path for path in result.declared if found[path] != ABSENT]
    if not present:
        return "not yet", []
    if result.fault:
        return "damaged", [(result.record, result.fault)]
    if unlisted := [path for path in present if path not in result.outputs]:
        return "foreign", [(path, f"{result.record} does not list it") for path in unlisted]
    folder = Path(result.record).parent
    if outside := [path for path in result.outputs if ".." in path or folder not in Path(path).parents]:
        return "damaged", [(result.record, f"outputs: {outside[0]} is not below its folder")]
    damaged = [
        (path, "does not match the digest in its record" if len(found[path]) == len(made) else found[path])
        for path, made in result.outputs.items()
        if found[path] != made and not (found[path] == ABSENT and result.lacks(path))
    ]
    if damaged:
        return "damaged", damaged
    changed = [what for what, digest in today.items() if digest != result.facts[f"{what}_sha256"]]
    changed += [f"input {path}" for path, read in result.inputs.items() if found[path] != read and path not in troubled]
    if changed:
        return "stale", [(result.record, _listed("changed since", changed))]
    return ("done" if troubled.isdisjoint(result.inputs) else "follows"), []


def compare_inputs(job: Job, results: list[Result]) -> Judgement:
    """Check that a finished job was made from the files that it would read today. `judge` compares their bytes."""
    read = set(chain.from_iterable(result.inputs for result in results))
    if differing := read ^ set(job.reads):
        return "stale", [(results[0].record, _listed("made from other files", sorted(differing)))]
    return "done", []


def stray_files(paths: Paths, results: list[Result], found: dict[str, str]) -> tuple[list[str], list[str]]:
    """Files that no run record lists, and temporary files.

    Files beside a result that is unfinished or has a damaged record are not counted: they may belong to it.
    """
    known = set(chain.from_iterable((result.record, *result.declared, *result.outputs) for result in results))
    known |= {paths.mark, *(str(Path(result.record).with_name(PRUNED)) for result in results)}
    unclear = {
        Path(result.record).parent
        for result in results
        if not set(result.declared) <= result.outputs.keys() or {ABSENT} == set(map(found.get, result.declared))
    }
    strangers, leftovers = [], set()
    for path in chain(files_below(Path(paths.results)), files_below(Path(paths.reports))):
        if unfinished := [each for each in (path, *path.parents) if TEMPORARY.fullmatch(each.name)]:
            leftovers.add(str(unfinished[-1]))
        elif str(path) not in known and unclear.isdisjoint(path.parents):
            strangers.append(str(path))
    return strangers, sorted(leftovers)


def notes_on(results: list[Result], found: dict[str, str]) -> Counter[str]:
    """Remarks on results, with the number of results that they concern."""
    notes: Counter[str] = Counter()
    for result in filter(lambda result: result.facts, results):
        absent = [path for path in result.outputs if found[path] == ABSENT]
        notes["lack weights or checkpoints, on purpose"] += any(map(result.lacks, absent))
        notes["were made by code that was not committed"] += bool(result.facts["dirty"])
        notes["were made with packages that are not the lock's"] += bool(result.facts["drift"])
    return +notes


def _listed(what: str, names: list[str]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{what}: {names[0]}{more}"
