"""The record of one execution of a stage: run.json."""

import hashlib
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from smoothgates.io.files import digest, write_json
from smoothgates.io.manifests.run_record import RunRecord
from smoothgates.io.records import Record
from smoothgates.io.seal import sealed
from smoothgates.io.system import peak_bytes
from smoothgates.provenance.code_closure import SOURCE, code_digest
from smoothgates.provenance.environments import drift, environment_of, lock_digest
from smoothgates.provenance.machine import gpus, kernels, processor, versions


class Execution:
    """Facts about one execution of a stage, written beside its result: digests of code, spec, lock, inputs and outputs,
    and what it took.

    They differ from run to run, so they are neither part of the result nor an input of another job.
    """

    def __init__(
        self,
        stage: str,
        spec: Record,
        parts: tuple[str, ...] = (),
        inputs: Iterable[Path | None] = (),
        charged: float = 0.0,
        env: str | None = None,
    ):
        """Create it when the stage starts: the digests of `inputs` are taken now; None stands for an absent input.

        `parts` are those of `code_of`. `env` is the pinned environment of the stage, by default that for CPUs.
        `charged` is what `write` returned for the last result of the same process.
        """
        env = env or environment_of(stage)
        self.began, self.charged = time.time(), charged
        self.facts = {
            "schema": RunRecord.SCHEMA,
            "schema_version": 1,
            "stage": stage,
            "spec_sha256": spec_digest(spec),
            "code_sha256": code_digest(stage, parts),
            "env": env,
            "lock_sha256": lock_digest(env),
            "drift": drift(env),
            "inputs": {path.as_posix(): digest(path) for path in inputs if path},
            "seed": getattr(spec, "seed", None),
        }

    def write(self, record: Path, outputs: Iterable[Path], known: dict[Path, str] | None = None, **more) -> float:
        """Write the record when the stage ends; return the CPU seconds of this process so far.

        `outputs` are all files of the result, `known` the sha256 of those whose digest is known already, and `more`
        other facts, as JSON values.
        """
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent = usage.ru_utime + usage.ru_stime
        known = known or {}
        seconds, held = time.time() - self.began, gpus()
        wall = sum(attempt["seconds"] for attempt in more.get("attempts", [])) or seconds
        write_json(
            record,
            sealed(
                {
                    **self.facts,
                    "outputs": {path.as_posix(): known.get(path) or digest(path) for path in outputs},
                    **commit(),
                    **more,
                    "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)),
                    "seconds": round(seconds, 3),
                    "gpus": held,
                    "gpu_hours": round(held * wall / 3600, 4),
                    "cpu_seconds": round(spent - self.charged, 3),
                    "peak_mib": peak_bytes() >> 20,
                    "host": platform.node(),
                    "job": os.environ.get("SLURM_JOB_ID"),
                    "machine": platform.machine(),
                    "processor": processor(),
                    "kernels": kernels(),
                    "python": platform.python_version(),
                    "versions": versions(),
                }
            ),
        )
        return spent


def spec_digest(spec: Record) -> str:
    """sha256 of a spec's canonical JSON."""
    return hashlib.sha256(spec.canonical().encode()).hexdigest()


def commit() -> dict[str, str | bool | None]:
    """Commit of the checkout, and whether tracked files have uncommitted changes; None outside a checkout."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=SOURCE, capture_output=True, encoding="utf-8", timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    head = git("rev-parse", "HEAD")
    status = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": head, "dirty": None if status is None else bool(status)}
