"""verify: is every result what its record says, byte for byte, and would it be made the same way today?"""

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
"""From good to bad. `follows`: made from what is stale, foreign or damaged, and so no better."""
STATES: tuple[State, ...] = get_args(State)
FINE: tuple[State, ...] = ("done", "not yet")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one file."""

    kind: State
    path: str
    why: str
    rule: str = ""
    job: str = ""
    """The job that the file belongs to, by rule and name; both are empty if there is none."""

    @property
    def is_stray(self) -> bool:
        """Whether it is a file of no job at all."""
        return self.kind == "foreign" and not self.rule


@dataclass(frozen=True)
class Audit:
    """The state of a study's results."""

    study: str
    states: list[tuple[Job, State]]
    """In an order in which the jobs could run."""
    findings: list[Finding]
    leftovers: list[str]
    """Temporary files and folders, of processes at work or killed."""
    notes: Counter[str]
    """No faults, and yet worth knowing, with how many results they concern."""

    def jobs(self, *states: State) -> list[Job]:
        return [job for job, state in self.states if state in states]


def verify(study: LoadedStudy, thorough: bool = True) -> Audit:
    """Check every result of a study. Each file is read once; unless `thorough`, weights and the like are not read."""
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
"""A state, and for each fault behind it the file and what is wrong with it."""


def judge(result: Result, today: dict[str, str], found: dict[str, str], troubled: set[str]) -> Judgement:
    """State of one result.

    `today` is what `made_by` gives, `found` the digests of all files as they are. What was made from `troubled` files
    follows from them, and is no fault of its own.
    """
    present = [path for path in result.declared if found[path] != ABSENT]
    if not present:
        return "not yet", []
    if result.fault:
        return "damaged", [(result.record, result.fault)]
    if unlisted := [path for path in present if path not in result.outputs]:
        return "foreign", [(path, f"{result.record} does not account for it") for path in unlisted]
    folder = Path(result.record).parent
    if outside := [path for path in result.outputs if ".." in path or folder not in Path(path).parents]:
        return "damaged", [(result.record, f"outputs: {outside[0]} does not lie beside it")]
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
    """Would a finished job be made from the same files today? Whether their bytes differ is for `judge` to say."""
    read = set(chain.from_iterable(result.inputs for result in results))
    if differing := read ^ set(job.reads):
        return "stale", [(results[0].record, _listed("made from other files", sorted(differing)))]
    return "done", []


def stray_files(paths: Paths, results: list[Result], found: dict[str, str]) -> tuple[list[str], list[str]]:
    """Files that no result accounts for, and temporary ones.

    What lies beside a result that is unfinished, or whose record does not tell, may well belong to it.
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
    """What is worth knowing of some results, and of how many it is true."""
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
