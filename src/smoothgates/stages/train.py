"""train: one RL run, of one method in one regime with one seed, in as many attempts as it takes."""

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smoothgates.errors import TryAgain
from smoothgates.files import digest, write_json, write_parquet
from smoothgates.provenance import Execution
from smoothgates.records import parse_spec
from smoothgates.specs import TrainSpec
from smoothgates.train.flush import flush
from smoothgates.train.result import Result
from smoothgates.train.stop import Stop
from smoothgates.train.work import FINISHED, Work, fingerprint

if TYPE_CHECKING:
    from smoothgates.train.session import Session


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
) -> None:
    """Train from the warm start `policy`, or go on where an earlier attempt ended; write `metrics`, policies and `out`.

    Raises TryAgain if it stopped before its end, BadInput if an earlier attempt failed in a way that repeats itself.
    """
    how = how or How()
    stop = Stop(how.wall_minutes)
    spec = parse_spec(TrainSpec, spec_text)
    execution = Execution("train", spec, (f"gates.{spec.method.gate}", f"tasks.{spec.task}"), [data, policy, index])
    facts, result = execution.facts, Result(out, metrics)
    inputs = [facts["inputs"][path.as_posix()] if path else None for path in (data, policy, index)]
    name = fingerprint(facts["spec_sha256"], facts["code_sha256"], facts["lock_sha256"], filter(None, inputs))
    with Work(how.work / name, how.wait, how.fresh) as work, stop:
        if (work.lease.waited or work.finished) and result.is_made_by(facts):
            print(f"{out}: finished already by another process", file=sys.stderr)
            work.clear()
            return
        # Torch comes this late so that a run that has failed before is refused at once.
        from smoothgates.rollout.setting import setting_of
        from smoothgates.train.loop import train
        from smoothgates.train.session import Session

        session = Session(spec, policy, work, stop, how.save_seconds)
        means = session.means(setting_of(spec.task, spec.protocol, index), data)
        with work.marking_failures():
            train(session.state, means, spec, session.between)
        session.keep("weights")
        try:
            publish(session, result, execution, inputs)
        except OSError as error:
            with suppress(OSError):
                result.clear()
            with suppress(TryAgain):
                session.save()
            raise TryAgain(f"{out.parent}: the result cannot be written ({error.strerror})") from None
        work.retire(session.steps)


def publish(session: "Session", result: Result, execution: Execution, inputs: list[str | None]) -> None:
    """Put the result in its place: the manifest after all that it names, then the record of how it was made."""
    from smoothgates.policy.folder import MODEL_SCHEMA

    history, work, out, metrics = session.state.history, session.work, result.out, result.metrics
    work.lease.check()
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
