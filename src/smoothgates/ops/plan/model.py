"""The cost model: what a load takes on a machine, when nothing has been measured.

Work. The forward pass of a token takes 2 operations for each parameter that it uses (only those of its own experts),
and 4 for each layer, head, dimension of a head and token that it attends to. A backward pass takes twice as much as a
forward pass. Activation recomputation adds another forward pass.

Sampling. Each pass adds one token to as many completions as fit, until the longest is done. A pass takes the longer of
two times: reading the weights that it uses and the keys and values of the unfinished completions; or its arithmetic.
Before each rollout vLLM gets the new weights through files.

Training. The longer of two times: the arithmetic, or the communication between ranks. With ZeRO-3 the weights are
gathered three times for each micro-batch, otherwise gradients are summed once for each update. An optimiser in main
memory adds its own time.

Fixed costs. A pass, an update and the start of a job have one whatever their size, and so has the judging of each
completion. tests/bench/fit.py fits these and the rates of CPUs to finished studies.

Memory. Weights, and in single precision gradients, Adam's two moments and, with bf16, master weights: 18 bytes for each
parameter. The ZeRO stage decides which of these are divided among the ranks. Add the larger of two: activations and
logits of a micro-batch, or the sampler. vLLM takes its share, and frees it while the policy trains.

Disk. Policies in the precision of their weights. A work directory has two checkpoints of weights, moments and masters.
"""

from dataclasses import dataclass
from math import ceil

from smoothgates.ops.plan.load import WIDTH, Load, Rollouts
from smoothgates.ops.plan.machine import Machine
from smoothgates.policy.shape import Shape
from smoothgates.specs.train import EngineConfig
from smoothgates.train.run.retention import LAST

CHORE_GB = 0.4
"""Memory of a process without a policy."""
GRADIENT = 4
"""Bytes per gradient."""
OFFLOADED = (28, 2e10)
"""Bytes per parameter that a step of AdamW moves in main memory, and bytes per second of one rank."""


@dataclass(frozen=True)
class Cost:
    """What one job takes."""

    seconds: float
    accelerators: int
    """GPUs that the job holds. 0: it holds a core."""
    memory: float
    """Peak bytes of one accelerator, or of the process."""
    results: float
    """Bytes of its results."""
    work: float
    """Bytes of its work directory while it runs."""


def cost(load: Load, machine: Machine) -> Cost:
    """The cost of a load on a machine. The seconds include the start-up of the job."""
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
    trained_by_rl = load.updates and load.rollouts  # supervised training does not resume, it starts over
    work = LAST * shape.parameters * (width + optimiser_bytes(load.engine)) if trained_by_rl else 0.0
    results = load.kept * shape.parameters * width + load.bytes_left
    return Cost(seconds, devices if machine.device == "cuda" else 0, memory(load, machine, devices), results, work)


def encoder_flops(machine: Machine) -> float:
    """Operations per second in single precision, on GPUs about a sixteenth of the tensor cores' rate."""
    return machine.flops * machine.training / (16 if machine.device == "cuda" else 1)


def forward_flops(shape: Shape, context: float) -> float:
    """Operations of one token that attends to `context` others."""
    return 2 * shape.used + 4 * shape.layers * shape.heads * shape.head * context


def optimiser_bytes(engine: EngineConfig) -> int:
    """Bytes per parameter: two moments, and with bf16 a master weight, in single precision."""
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
    judged = mine * machine.completion_seconds
    return rollouts.times * (prefill + passes * (max(read, computed) + machine.pass_seconds) + judged)


def syncing_seconds(load: Load, machine: Machine) -> float:
    """Seconds to write and read the weights once for each rollout."""
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
    sent = 3 * steps if engine.zero == 3 else 2
    sent *= WIDTH[engine.dtype] * shape.parameters * (1 - 1 / devices) / machine.link
    moved, rate = OFFLOADED
    stepped = moved * shape.parameters / devices / rate if engine.offload else 0.0
    fixed = passes * steps * machine.pass_seconds + machine.update_seconds
    return load.updates * (max(computed, sent) + stepped + fixed)


def memory(load: Load, machine: Machine, devices: int) -> float:
    """Peak bytes of one accelerator, or of the process. Training and sampling take turns."""
    held, trained, sampled = machine.process_gb * 1e9, 0.0, 0.0
    if load.updates:
        held += state(load.shape, load.engine, devices)
        trained = activations(load.shape, tokens_at_once(load, devices), load.engine)
    if load.rollouts:
        sampled = sampler_bytes(load, machine, devices)
    return held + max(trained, sampled)


def state(shape: Shape, engine: EngineConfig, devices: int) -> float:
    """Bytes of the weights, gradients and optimiser state that one rank holds."""
    width, whole = WIDTH[engine.dtype], shape.parameters
    weights = whole / devices + (shape.layer + shape.ends if devices > 1 else 0) if engine.zero == 3 else whole
    gradients = whole / devices if engine.zero > 1 else whole
    optimiser = 0 if engine.offload else optimiser_bytes(engine) * whole / devices
    return width * weights + GRADIENT * gradients + optimiser


def sampler_bytes(load: Load, machine: Machine, devices: int) -> float:
    """Bytes of keys and values, and of weights unless the trainer shares them. vLLM takes a fixed share."""
    shape, width = load.shape, WIDTH[load.engine.dtype]
    row = load.longest * shape.cached * width
    weights = width * shape.parameters
    if load.sampler.kind == "vllm":
        return max(load.sampler.memory * machine.memory_gb * 1e9, weights + row)
    rows = ceil(max(rollouts.completions for rollouts in load.rollouts) / devices)
    shared = load.updates and load.engine.kind == "torch"
    return (0 if shared else weights) + min(rows, machine.at_once or rows) * row


def activations(shape: Shape, tokens: float, engine: EngineConfig) -> float:
    """Bytes for a backward pass: activations of all layers, or with recomputation of one, and the inputs of all."""
    width = WIDTH[engine.dtype]
    inside = (10 * shape.hidden + 4 * shape.intermediate * shape.chosen) * width
    layers = shape.layers * shape.hidden * width + inside if engine.gradient_checkpointing else shape.layers * inside
    return tokens * layers + 2 * 4 * min(tokens, engine.logits or tokens) * shape.vocabulary


def tokens_at_once(load: Load, devices: int) -> int:
    """Most tokens of one backward pass on one rank. A sequence longer than the limit has a pass to itself."""
    whole = ceil(load.sequences / devices) * load.longest
    return min(whole, max(load.engine.tokens, load.longest)) if load.engine.tokens else whole


def micro_batches(load: Load, devices: int) -> int:
    """Expected micro-batches of one update."""
    if load.engine.tokens is None:
        return 1
    return max(1, ceil(load.sequences / devices * (load.prompt + load.completion) / load.engine.tokens))
