"""The machines of config/machines.yaml, which a study can be planned for."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from smoothgates.errors import BadInput
from smoothgates.io.documents import read_yaml
from smoothgates.io.records import Record, parse

MACHINES = Path("config/machines.yaml")

Efficiency = Annotated[float, Field(gt=0, le=1)]


class Machine(Record):
    """A machine of the cost model. Peaks are the manufacturer's, and efficiencies are shares of them."""

    about: str
    device: Literal["cpu", "cuda"]
    accelerators: PositiveInt = 1
    """Cores or GPUs of a training job with a distributed engine. Every other job has one."""
    memory_gb: PositiveFloat
    """Memory of one GPU, or the limit for one process."""
    tflops: PositiveFloat
    """Peak of one accelerator, for dense matrix products in the precision of the policy."""
    bandwidth_gbs: PositiveFloat
    """Peak bandwidth of one accelerator's memory."""
    link_gbs: PositiveFloat | None = None
    """Peak bandwidth between accelerators, in one direction."""
    disk_gbs: PositiveFloat = 1
    """Bandwidth of files that all processes of a job share."""
    training: Efficiency
    """Share of `tflops` in passes over whole sequences."""
    decoding: Efficiency
    """Share of `tflops` when each sequence grows by one token."""
    transfers: Efficiency
    """Share of both bandwidths."""
    pass_seconds: NonNegativeFloat
    """Fixed cost of one pass through the policy, such as launching kernels."""
    update_seconds: NonNegativeFloat = 0.0
    """Fixed cost of one update beside its passes: batch, optimiser, diagnostics."""
    completion_seconds: NonNegativeFloat = 0.0
    """Work on one completion outside the policy: its text, its reward, its tools. GPUs' jobs do it on other cores."""
    start_seconds: NonNegativeFloat
    """Start-up of a job that its run record does not include: scheduling, interpreter, imports."""
    engine_seconds: NonNegativeFloat = 0.0
    """Start-up of vLLM before the first token."""
    at_once: PositiveInt | None = None
    """Most sequences that one accelerator decodes at once. None: the whole batch."""
    process_gb: NonNegativeFloat
    """Memory of a process without data: libraries, contexts, buffers."""

    @model_validator(mode="after")
    def _linked(self) -> "Machine":
        if self.device == "cuda" and self.link_gbs is None:
            raise ValueError("GPUs need link_gbs")
        return self

    @property
    def flops(self) -> float:
        return self.tflops * 1e12

    @property
    def bandwidth(self) -> float:
        """Expected bytes per second."""
        return self.bandwidth_gbs * 1e9 * self.transfers

    @property
    def link(self) -> float:
        """Expected bytes per second."""
        return self.link_gbs * 1e9 * self.transfers if self.link_gbs else float("inf")


def load_machines(path: Path = MACHINES) -> dict[str, Machine]:
    """All machines by name. Raises BadInput."""
    return {name: parse(Machine, entry, f"{path}: {name}") for name, entry in read_yaml(path).items()}


def machine_for(name: str | None, device: str, path: Path = MACHINES) -> tuple[str, Machine]:
    """The machine of this name, such as `h100`, or `h100x4` with 4 accelerators. None: the first with this device.

    Raises BadInput.
    """
    machines = load_machines(path)
    if name is None:
        name = next((known for known, machine in machines.items() if machine.device == device), None)
        if name is None:
            raise BadInput(f"{path}: expected a machine with device: {device}")
    if name in machines:
        return name, machines[name]
    kind, _, count = name.rpartition("x")
    if kind not in machines or not re.fullmatch("[1-9][0-9]{0,5}", count):
        raise BadInput(f"--machine: expected one of {', '.join(machines)}, or one like h100x4; got '{name}'")
    return name, machines[kind].model_copy(update={"accelerators": int(count)})
