"""The stated cost model: what a load takes on a machine, when nothing has been measured.

Work. A token's forward pass takes 2 operations a parameter that it is multiplied with (of experts, those it goes
through), and 4 a layer, head and number of a head for each token that it attends to. A backward pass takes twice as
much as a forward one; where activations are recomputed, another forward one comes on top.

Sampling. As many completions as fit advance by a token a pass, until the longest is done. A pass takes as long as
reading the weights that are touched and the keys and values of what is alive, or as its arithmetic: the longer.
Before each rollout vLLM is given the new weights through files.

Training. Arithmetic, or what the ranks tell each other, whichever is longer: with ZeRO-3 the weights are gathered three
times a micro-batch, otherwise gradients are added up once an update. An optimiser in main memory comes on top.

Memory. Weights, and in single precision gradients, Adam's two moments and, beside bf16, master weights: 18 bytes a
parameter, of which the ZeRO stage says what is divided among the ranks. Then either the micro-batch's activations and
logits, or the sampler: vLLM takes its share and gives it back while the policy trains.

Disk. Policies in the precision of their weights. A work directory holds two checkpoints of weights, moments, masters.
"""

from dataclasses import dataclass
from math import ceil

from smoothgates.ops.plan.load import WIDTH, Load, Rollouts
from smoothgates.ops.plan.machine import Machine
from smoothgates.policy.shape import Shape
from smoothgates.specs.train import EngineConfig
from smoothgates.train.run.retention import LAST

CHORE_GB = 0.4
"""Of processes without a policy."""
GRADIENT = 4
"""Bytes a number."""
OFFLOADED = (28, 2e10)
"""Bytes a parameter that a step of AdamW moves in main memory, and how many a rank moves in a second."""


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
        encoding = machine.device == "cuda" and load.encoded > 0
        seconds = machine.start_seconds + load.chore_seconds + load.encoded / encoder_flops(machine)
        held = machine.process_gb if encoding else CHORE_GB
        return Cost(seconds, int(encoding), held * 1e9, load.bytes_left, 0.0)
    devices = machine.accelerators if load.updates and load.engine.kind == "deepspeed" else 1
    seconds = (
        machine.start_seconds
        + (machine.engine_seconds if load.rollouts and load.sampler.kind == "vllm" else 0)
        + sum(sampling_seconds(load, rollouts, machine, devices) for rollouts in load.rollouts)
        + syncing_seconds(load, machine)
        + scoring_seconds(load, machine, devices)
        + training_seconds(load, machine, devices)
    )
    width = WIDTH[load.engine.dtype]
    trained_by_rl = load.updates and load.rollouts  # supervised training starts over instead of going on
    work = LAST * shape.parameters * (width + optimiser_bytes(load.engine)) if trained_by_rl else 0.0
    results = load.kept * shape.parameters * width + load.bytes_left
    return Cost(seconds, devices if machine.device == "cuda" else 0, memory(load, machine, devices), results, work)


def encoder_flops(machine: Machine) -> float:
    """Operations a second in single precision, which on GPUs is some sixteenth of what tensor cores do."""
    return machine.flops * machine.training / (16 if machine.device == "cuda" else 1)


def forward_flops(shape: Shape, context: float) -> float:
    """Operations of one token that attends to `context` others."""
    return 2 * shape.used + 4 * shape.layers * shape.heads * shape.head * context


def optimiser_bytes(engine: EngineConfig) -> int:
    """A parameter's two moments, and its master copy where weights are halved: all in single precision."""
    return 8 + (4 if engine.dtype == "bfloat16" else 0)


def sampling_seconds(load: Load, rollouts: Rollouts, machine: Machine, devices: int) -> float:
    shape, width = load.shape, WIDTH[load.engine.dtype]
    mine = ceil(rollouts.completions / devices)
    at_once = min(mine, machine.at_once or mine)
    passes = max(load.decoded, mine * load.completion / at_once)
    alive = mine * load.completion / passes
    context = load.prompt + load.completion / 2
    read = width * (shape.touched(alive) + alive * context * shape.cached) / machine.bandwidth
    computed = alive * forward_flops(shape, context) / (machine.flops * machine.decoding)
    prompts = ceil(rollouts.prompts / devices) * load.prompt * forward_flops(shape, load.prompt / 2)
    prefill = prompts / (machine.flops * machine.training)
    return rollouts.times * (prefill + passes * (max(read, computed) + machine.pass_seconds))


def syncing_seconds(load: Load, machine: Machine) -> float:
    """Weights are written once and read once a rollout."""
    if not load.updates or load.sampler.kind == "torch":
        return 0.0
    size = WIDTH[load.engine.dtype] * load.shape.parameters
    return sum(rollouts.times for rollouts in load.rollouts) * 2 * size / (machine.disk_gbs * 1e9)


def scoring_seconds(load: Load, machine: Machine, devices: int) -> float:
    length = load.prompt + load.completion
    flops = load.scored * length * forward_flops(load.shape, length / 2)
    return flops / (devices * machine.flops * machine.training)


def training_seconds(load: Load, machine: Machine, devices: int) -> float:
    if not load.updates:
        return 0.0
    shape, engine, length = load.shape, load.engine, load.prompt + load.completion
    passes = 4 if engine.gradient_checkpointing else 3
    flops = passes * load.sequences * length * forward_flops(shape, length / 2)
    computed = flops / (devices * machine.flops * machine.training)
    steps = micro_batches(load, devices)
    told = 3 * steps if engine.zero == 3 else 2
    told *= WIDTH[engine.dtype] * shape.parameters * (1 - 1 / devices) / machine.link
    moved, rate = OFFLOADED
    stepped = moved * shape.parameters / devices / rate if engine.offload else 0.0
    return load.updates * (max(computed, told) + stepped + passes * steps * machine.pass_seconds)


def memory(load: Load, machine: Machine, devices: int) -> float:
    """Peak bytes of one accelerator, or of the process: a policy trains and samples by turns."""
    held, trained, sampled = machine.process_gb * 1e9, 0.0, 0.0
    if load.updates:
        held += state(load.shape, load.engine, devices)
        trained = activations(load.shape, tokens_at_once(load, devices), load.engine)
    if load.rollouts:
        sampled = sampler_bytes(load, machine, devices)
    return held + max(trained, sampled)


def state(shape: Shape, engine: EngineConfig, devices: int) -> float:
    """Weights, gradients and optimiser, as far as one rank holds them."""
    width, whole = WIDTH[engine.dtype], shape.parameters
    weights = whole / devices + (shape.layer + shape.ends if devices > 1 else 0) if engine.zero == 3 else whole
    gradients = whole / devices if engine.zero > 1 else whole
    optimiser = 0 if engine.offload else optimiser_bytes(engine) * whole / devices
    return width * weights + GRADIENT * gradients + optimiser


def sampler_bytes(load: Load, machine: Machine, devices: int) -> float:
    """Weights, unless they are the trainer's own, and keys and values; vLLM takes its share, or what it must have."""
    shape, width = load.shape, WIDTH[load.engine.dtype]
    row = load.longest * shape.cached * width
    weights = width * shape.parameters
    if load.sampler.kind == "vllm":
        return max(load.sampler.memory * machine.memory_gb * 1e9, weights + row)
    rows = ceil(max(rollouts.completions for rollouts in load.rollouts) / devices)
    shared = load.updates and load.engine.kind == "torch"
    return (0 if shared else weights) + min(rows, machine.at_once or rows) * row


def activations(shape: Shape, tokens: float, engine: EngineConfig) -> float:
    """What a backward pass over some tokens needs: every layer's inside, or its input alone and one layer's inside."""
    width = WIDTH[engine.dtype]
    inside = (10 * shape.hidden + 4 * shape.intermediate * shape.chosen) * width
    layers = shape.layers * shape.hidden * width + inside if engine.gradient_checkpointing else shape.layers * inside
    return tokens * layers + 2 * 4 * min(tokens, engine.logits or tokens) * shape.vocabulary


def tokens_at_once(load: Load, devices: int) -> int:
    """Most tokens of one backward pass on one rank: a sequence longer than the limit has one of its own."""
    whole = ceil(load.sequences / devices) * load.longest
    return min(whole, max(load.engine.tokens, load.longest)) if load.engine.tokens else whole


def micro_batches(load: Load, devices: int) -> int:
    """Of an update, by what is to be expected."""
    if load.engine.tokens is None:
        return 1
    return max(1, ceil(load.sequences / devices * (load.prompt + load.completion) / load.engine.tokens))
