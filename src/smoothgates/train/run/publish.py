"""Writes the result of a finished run: complete, or nothing."""

from collections.abc import Callable
from contextlib import suppress

from smoothgates.errors import TryAgain
from smoothgates.io.files import digest, flush, write_json, write_parquet
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.train.run.attempt import Attempt
from smoothgates.train.run.result import Result
from smoothgates.train.run.workdir import FINISHED


def publish(attempt: Attempt, result: Result, inputs: dict[str, str | None], write_record: Callable[..., None]) -> None:
    """Write the result of a finished run, by rank 0, and clear its work directory. Called by all ranks.

    inputs: digests to list in the manifest. write_record: `Execution.write`. Raises TryAgain, after saving a
    checkpoint, if the result cannot be written; then nothing of it is left.
    """
    attempt.keep("weights")
    workdir = attempt.workdir
    try:
        with workdir.ranks.failing_together():
            if workdir.owned:
                workdir.check()
                try:
                    _write(attempt, result, inputs, write_record)
                except OSError as error:
                    with suppress(OSError):
                        result.clear()
                    raise TryAgain(f"{result.out.parent}: the result cannot be written ({error.strerror})") from None
    except TryAgain:
        with suppress(TryAgain):
            attempt.save()
        raise
    with workdir.ranks.failing_together():
        if workdir.owned:
            workdir.owned.retire(attempt.steps)


def _write(attempt: Attempt, result: Result, inputs: dict[str, str | None], write_record: Callable[..., None]) -> None:
    """Write the manifest after all files that it lists, and the run record last."""
    workdir, history, out, metrics = attempt.workdir, attempt.state.history, result.out, result.metrics
    result.clear()
    for folder in attempt.folders:
        result.add_folder(workdir.result / folder, folder)
    write_parquet(metrics, history.updates)
    write_json(
        out,
        {
            "schema": ModelManifest.SCHEMA,
            "schema_version": 1,
            "spec": attempt.spec.model_dump(mode="json"),
            "data_sha256": inputs["data"],
            "start_sha256": inputs["policy"],
            "index_sha256": inputs["index"],
            "metrics_sha256": digest(metrics),
            "status": history.status,
            "updates": history.steps,
            "rollouts": history.rollouts,
            "final": "weights",
            "checkpoints": attempt.curve,
            "folders": attempt.folders,
        },
    )
    files = {out.parent / name: sha256 for name, sha256 in attempt.digests().items()}
    attempts = workdir.owned.attempts(FINISHED, history.steps)
    write_record(result.record, [out, metrics, *files], files, attempts=attempts, rollouts=history.seconds)
    flush(out.parent)
