"""The stated cost model: what a load takes on a machine, when nothing has been measured.

Work. A token's forward pass takes 2 operations a parameter that it is multiplied with, and 4·hidden a layer for each
token that it attends to. A backward pass takes twice as much as a forward one; where activations are recomputed (on
GPUs), another forward one comes on top.

Sampling. As many completions as fit advance by a token a pass, until the longest is done. A pass takes as long as
reading the weights and the keys and values of what is alive, or as its arithmetic, whichever is longer.

Training. Arithmetic, or, where the optimiser's state is shared (ZeRO-3 over a job's accelerators), gathering the
weights three times a micro-batch, whichever is longer.

Memory. 16 bytes a parameter for weights, gradients, Adam's two moments (and master weights in single precision beside
bf16), divided by that share; activations and logits; the sampler's own weights (on GPUs) and its cache.

Disk. Policies in the precision of their weights. A work directory holds two checkpoints of weights, moments, masters.
"""

from dataclasses import dataclass
from math import ceil

from smoothgates.plan.load import Load, Rollouts
from smoothgates.plan.machine import Machine
from smoothgates.plan.shape import Shape

LOGIT_CHUNK = 1024
"""Tokens whose logits are held at a time on GPUs."""
KEPT = 2
"""Checkpoints in a work directory."""
CHORE_GB = 0.4
"""Of processes without a policy."""


@dataclass(frozen=True)
class Cost:
    """Of one job."""

    seconds: float
    accelerators: int
    """Of the machine that it holds meanwhile; 0: an ordinary core."""
    memory: float
    """Peak bytes of one accelerator, or of the process."""
    results: float
    """Bytes."""
    work: float
    """Bytes of its work directory while it runs."""


def cost(load: Load, machine: Machine) -> Cost:
    """Seconds hold the job's start, as users wait for it too."""
    shape = load.shape
    if shape is None:
        seconds = machine.start_seconds + load.chore_seconds
        return Cost(seconds, 0, CHORE_GB * 1e9, load.bytes_left, 0.0)
    devices = machine.accelerators if load.updates else 1
    seconds = (
        machine.start_seconds
        + (machine.engine_seconds if load.rollouts else 0)
        + sum(sampling_seconds(load, rollouts, machine, devices) for rollouts in load.rollouts)
        + scoring_seconds(load, machine, devices)
        + training_seconds(load, machine, devices)
    )
    trained_by_rl = load.updates and load.rollouts  # supervised training starts over instead of going on
    work = KEPT * shape.parameters * (machine.bytes_per_weight + optimiser_bytes(machine)) if trained_by_rl else 0.0
    results = load.kept * shape.parameters * machine.bytes_per_weight + load.bytes_left
    return Cost(seconds, devices if machine.device == "cuda" else 0, memory(load, machine, devices), results, work)


def forward_flops(shape: Shape, context: float) -> float:
    """Operations of one token that attends to `context` others."""
    return 2 * shape.used + 4 * shape.layers * shape.hidden * context


def optimiser_bytes(machine: Machine) -> int:
    """A parameter's two moments, and its master copy where weights are halved: all in single precision."""
    return 8 + (4 if machine.bytes_per_weight == 2 else 0)


def sampling_seconds(load: Load, rollouts: Rollouts, machine: Machine, devices: int) -> float:
    shape = load.shape
    mine = ceil(rollouts.completions / devices)
    at_once = min(mine, machine.at_once or mine)
    passes = max(load.decoded, mine * load.completion / at_once)
    alive = mine * load.completion / passes
    context = load.prompt + load.completion / 2
    read = machine.bytes_per_weight * (shape.used + alive * context * shape.cached) / machine.bandwidth
    computed = alive * forward_flops(shape, context) / (machine.flops * machine.decoding)
    prompts = ceil(rollouts.prompts / devices) * load.prompt * forward_flops(shape, load.prompt / 2)
    prefill = prompts / (machine.flops * machine.training)
    return rollouts.times * (prefill + passes * (max(read, computed) + machine.pass_seconds))


def scoring_seconds(load: Load, machine: Machine, devices: int) -> float:
    length = load.prompt + load.completion
    flops = load.scored * length * forward_flops(load.shape, length / 2)
    return flops / (devices * machine.flops * machine.training)


def training_seconds(load: Load, machine: Machine, devices: int) -> float:
    if not load.updates:
        return 0.0
    shape, length = load.shape, load.prompt + load.completion
    passes = 4 if recomputes(machine) else 3
    flops = passes * load.sequences * length * forward_flops(shape, length / 2)
    computed = flops / (devices * machine.flops * machine.training)
    micro_batches = ceil(load.sequences / devices / micro_batch(load, devices))
    gathered = 3 * machine.bytes_per_weight * shape.parameters * (1 - 1 / devices) / machine.link
    return load.updates * (max(computed, micro_batches * gathered) + passes * micro_batches * machine.pass_seconds)


def memory(load: Load, machine: Machine, devices: int) -> float:
    """Peak bytes of one accelerator, or of the process."""
    shape, width = load.shape, machine.bytes_per_weight
    held = machine.process_gb * 1e9
    if load.updates:
        state = 2 * width + optimiser_bytes(machine)
        whole = (shape.layer + shape.vocabulary * shape.hidden) * width if devices > 1 else 0
        tokens = micro_batch(load, devices) * load.longest
        held += state * shape.parameters / devices + whole + activations(shape, tokens, machine)
    else:
        held += width * shape.parameters
    if load.rollouts:
        engine = width * shape.parameters if load.updates and machine.device == "cuda" else 0
        rows = ceil(max(rollouts.completions for rollouts in load.rollouts) / devices)
        held += engine + min(rows, machine.at_once or rows) * load.longest * shape.cached * width
    return held


def activations(shape: Shape, tokens: float, machine: Machine) -> float:
    """What a backward pass over some tokens needs: every layer's inside, or its input alone and one layer's inside."""
    inside = (10 * shape.hidden + 4 * shape.intermediate) * machine.bytes_per_weight
    layers = (
        shape.layers * shape.hidden * machine.bytes_per_weight + inside
        if recomputes(machine)
        else shape.layers * inside
    )
    logits = min(tokens, LOGIT_CHUNK) if recomputes(machine) else tokens
    return tokens * layers + 2 * 4 * logits * shape.vocabulary


def recomputes(machine: Machine) -> bool:
    """Whether activations are dropped and computed again."""
    return machine.device == "cuda"


def micro_batch(load: Load, devices: int) -> int:
    return load.micro_batch or max(1, ceil(load.sequences / devices))
