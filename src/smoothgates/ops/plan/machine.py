"""Machines that a study may be planned for: config/machines.yaml."""

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
    """What the cost model knows of a machine. Peaks are the maker's; efficiencies are shares of them."""

    about: str
    device: Literal["cpu", "cuda"]
    accelerators: PositiveInt = 1
    """Cores or GPUs of a training job whose engine divides its work. Every other job has one."""
    memory_gb: PositiveFloat
    """Of one GPU, or what one process should stay within."""
    tflops: PositiveFloat
    """Peak of one accelerator, dense, in the precision of the matrix products."""
    bandwidth_gbs: PositiveFloat
    """Peak of one accelerator's memory."""
    link_gbs: PositiveFloat | None = None
    """Peak between accelerators, one way."""
    disk_gbs: PositiveFloat = 1
    """Written and read in files that all processes of a job see."""
    training: Efficiency
    """Of tflops, in long passes over whole sequences."""
    decoding: Efficiency
    """Of tflops, one token a sequence at a time."""
    transfers: Efficiency
    """Of both bandwidths."""
    pass_seconds: NonNegativeFloat
    """Fixed cost of one pass through the policy: launching kernels, sampling."""
    start_seconds: NonNegativeFloat
    """Of a job before its record begins: scheduling, interpreter, imports."""
    engine_seconds: NonNegativeFloat = 0.0
    """Of a job that samples, before its first token."""
    at_once: PositiveInt | None = None
    """Most sequences that one accelerator decodes together; none: a whole batch, however large."""
    process_gb: NonNegativeFloat
    """Memory of a process before it holds anything: libraries, contexts, buffers."""

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
        """Bytes a second that are reckoned with."""
        return self.bandwidth_gbs * 1e9 * self.transfers

    @property
    def link(self) -> float:
        """Bytes a second that are reckoned with."""
        return self.link_gbs * 1e9 * self.transfers if self.link_gbs else float("inf")


def load_machines(path: Path = MACHINES) -> dict[str, Machine]:
    """Every machine by name. Raises BadInput."""
    return {name: parse(Machine, entry, f"{path}: {name}") for name, entry in read_yaml(path).items()}


def machine_for(name: str | None, device: str, path: Path = MACHINES) -> tuple[str, Machine]:
    """The machine of this name, `h100x4` with so many accelerators; without one, the first with the study's device.

    Raises BadInput.
    """
    machines = load_machines(path)
    if name is None:
        name = next((known for known, machine in machines.items() if machine.device == device), None)
        if name is None:
            raise BadInput(f"{path}: has no machine with device: {device}")
    if name in machines:
        return name, machines[name]
    kind, _, count = name.rpartition("x")
    if kind not in machines or not re.fullmatch("[1-9][0-9]{0,5}", count):
        raise BadInput(f"--machine: expected one of {', '.join(machines)}, or such as h100x4; got '{name}'")
    return name, machines[kind].model_copy(update={"accelerators": int(count)})
