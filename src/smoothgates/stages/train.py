"""train: one RL run, of one method in one regime with one seed, in as many attempts as it takes."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import digest, flush, read_json, write_json, write_parquet
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.gates import GATE_CHECK
from smoothgates.specs.train import TrainSpec
from smoothgates.train.run.result import Result
from smoothgates.train.run.stop import Stop
from smoothgates.train.run.workdir import FINISHED, Work, fingerprint, marking_failures

if TYPE_CHECKING:
    from smoothgates.train.run.attempt import Session


@dataclass(frozen=True)
class How:
    """How a run is carried out. Nothing of it reaches the result."""

    work: Path = Path("work")
    """Folder of work directories."""
    wall_minutes: float | None = None
    """Stop before so many are over."""
    save_seconds: float = 60.0
    """Least time between two checkpoints."""
    fresh: bool = False
    """Start over, whatever earlier attempts left."""
    wait: float = 60.0
    """Seconds to wait for another process that is at the same run."""


def run(
    spec_text: str,
    data: Path,
    policy: Path,
    out: Path,
    metrics: Path,
    index: Path | None = None,
    how: How | None = None,
    gate: Path | None = None,
) -> None:
    """Train from the warm start `policy`, or go on where an earlier attempt ended; write `metrics`, policies and `out`.

    `gate`: what the check of the method's gate left. By hand one may go without.

    Raises TryAgain if it stopped before its end, BadInput if an earlier attempt failed in a way that repeats itself.
    """
    how = how or How()
    stop, ranks = Stop(how.wall_minutes), Ranks()
    spec = parse_spec(TrainSpec, spec_text)
    parts = (f"gates.{spec.method.gate}", f"tasks.{spec.task}")
    execution = Execution("train", spec, parts, [data, policy, gate, index])
    if gate and (checked := read_json(gate, GATE_CHECK)["spec"]["gate"]) != spec.method.gate:
        raise BadInput(f"{gate}: spec.gate: expected '{spec.method.gate}', the gate of the method, got '{checked}'")
    facts, result = execution.facts, Result(out, metrics)
    inputs = [facts["inputs"][path.as_posix()] if path else None for path in (data, policy, index)]
    name = fingerprint(facts["spec_sha256"], facts["code_sha256"], facts["lock_sha256"], filter(None, inputs))
    folder = how.work / name
    with ranks.noticing_losses(), at_work(folder, out, how, ranks) as work, stop:
        if ranks.first(work and (work.lease.waited or work.finished) and result.is_made_by(facts)):
            if work:
                print(f"{out}: finished already by another process", file=sys.stderr)
                work.clear()
            return
        # Torch comes this late so that a run that has failed before is refused at once.
        from smoothgates.rollout.task_setup import load_task_setup
        from smoothgates.train.loop import train
        from smoothgates.train.run.attempt import Session
        from smoothgates.train.run.memory import naming_what_to_lower

        session = Session(spec, policy, folder, work, ranks, stop, how.save_seconds)
        means = session.means(load_task_setup(spec.task, spec.protocol, index), data)
        with marking_failures(folder, work), naming_what_to_lower(spec), closing(session.sampler):
            train(session.state, means, spec, session.between)
        session.keep("weights")
        try:
            with ranks.as_one():
                if work:
                    publish(session, work, result, execution, inputs)
        except TryAgain:
            with suppress(TryAgain):
                session.save()
            raise
        with ranks.as_one():
            if work:
                work.retire(session.steps)


@contextmanager
def at_work(folder: Path, out: Path, how: How, ranks: Ranks) -> Iterator[Work | None]:
    """A run's directory on rank 0, which alone writes there; None on all others. If one is refused, all are."""
    work = None
    with ranks.as_one():
        if ranks.leads:
            work = Work(folder, out, how.wait, how.fresh)
    with work or nullcontext():
        yield work


def publish(session: "Session", work: Work, result: Result, execution: Execution, inputs: list[str | None]) -> None:
    """Put the result in its place, or raise TryAgain and leave nothing of it."""
    work.lease.check()
    try:
        place(session, work, result, execution, inputs)
    except OSError as error:
        with suppress(OSError):
            result.clear()
        raise TryAgain(f"{result.out.parent}: the result cannot be written ({error.strerror})") from None


def place(session: "Session", work: Work, result: Result, execution: Execution, inputs: list[str | None]) -> None:
    """The manifest after all that it names, then the record of how it was made."""
    from smoothgates.policy.manifest import MODEL_SCHEMA

    history, out, metrics = session.state.history, result.out, result.metrics
    result.clear()
    for folder in session.folders:
        result.place(work.result / folder, folder)
    write_parquet(metrics, history.updates)
    write_json(
        out,
        {
            "schema": MODEL_SCHEMA,
            "schema_version": 1,
            "spec": session.spec.model_dump(mode="json"),
            **dict(zip(("data_sha256", "start_sha256", "index_sha256"), inputs, strict=True)),
            "metrics_sha256": digest(metrics),
            "status": history.status,
            "updates": history.steps,
            "rollouts": history.rollouts,
            "final": "weights",
            "checkpoints": session.curve,
            "folders": session.folders,
        },
    )
    files = {out.parent / name: sha256 for name, sha256 in session.files().items()}
    attempts = work.attempts(FINISHED, history.steps)
    execution.write(result.record, [out, metrics, *files], files, attempts=attempts, rollouts=history.seconds)
    flush(out.parent)
