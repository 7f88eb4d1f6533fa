"""train: one RL run, of one method in one regime with one seed, in as many attempts as it takes."""

import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from smoothgates.data.examples import read_examples
from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput
from smoothgates.io.manifests.gate_check import GateCheck
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.specs.train import TrainSpec
from smoothgates.tasks import judging_parts
from smoothgates.train.run.result import Result
from smoothgates.train.run.stop import Stop
from smoothgates.train.run.workdir import fingerprint, shared_workdir


@dataclass(frozen=True)
class Inputs:
    """Manifests that a run starts from."""

    data: Path
    policy: Path
    """The warm start."""
    index: Path | None = None
    """The index that the policy searches, if the task has one."""
    gate: Path | None = None
    """The result of the check of the method's gate. May be omitted when the stage is called by hand."""


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out. None of it changes the result."""

    work: Path = Path("work")
    """Folder of work directories."""
    wall_minutes: float | None = None
    """Stop before this many minutes are over."""
    save_seconds: float = 60.0
    """Least time between two checkpoints."""
    fresh: bool = False
    """Ignore what earlier attempts left, and start over."""
    wait: float = 60.0
    """Seconds to wait for another process that works on the same run."""
    env: str | None = None
    """The pinned environment of the run, for its record. By default the one for CPUs."""


def run(spec_text: str, inputs: Inputs, result: Result, options: RunOptions | None = None) -> None:
    """Train from the warm start, or resume where an earlier attempt ended, and write the result.

    Raises TryAgain if the run stopped before its end, BadInput if an earlier attempt failed in a way that a retry
    repeats.
    """
    options = options or RunOptions()
    stop, ranks = Stop(options.wall_minutes), Ranks()
    spec = parse_spec(TrainSpec, spec_text)
    parts = (f"gates.{spec.method.gate}", *judging_parts(spec.task))
    execution = Execution(
        "train", spec, parts, [inputs.data, inputs.policy, inputs.gate, inputs.index], env=options.env
    )
    if inputs.gate and (checked := read_manifest(inputs.gate, GateCheck)["spec"]["gate"]) != spec.method.gate:
        raise BadInput(
            f"{inputs.gate}: spec.gate: expected '{spec.method.gate}', the gate of the method, got '{checked}'"
        )
    facts = execution.facts
    paths = {"data": inputs.data, "policy": inputs.policy, "index": inputs.index}
    digests = {name: facts["inputs"][path.as_posix()] if path else None for name, path in paths.items()}
    name = fingerprint(facts["spec_sha256"], facts["code_sha256"], facts["lock_sha256"], **digests)
    work = shared_workdir(options.work / name, result.out, options.wait, options.fresh, ranks)
    with ranks.reporting_lost_ranks(), work as workdir, stop:
        owned = workdir.owned
        if ranks.broadcast(owned and (owned.lease.waited or owned.finished) and result.is_made_by(facts)):
            if owned:
                print(f"{result.out}: already finished by another process", file=sys.stderr)
                owned.clear()
            return
        # Torch is imported this late so that a run that has failed before is refused at once.
        from smoothgates.rollout.task_setup import load_task_setup
        from smoothgates.train.loop import train
        from smoothgates.train.run.attempt import Attempt
        from smoothgates.train.run.memory import explaining_out_of_memory
        from smoothgates.train.run.publish import publish

        attempt = Attempt.resume(spec, inputs.policy, workdir, stop, options.save_seconds)
        task_setup = load_task_setup(spec.task, spec.protocol, inputs.index)
        context = attempt.context(task_setup, read_examples(inputs.data))
        with workdir.recording_failure(), explaining_out_of_memory(spec), closing(attempt.sampler):
            train(attempt.state, context, attempt.after_each)
        publish(attempt, result, digests, execution.write)
