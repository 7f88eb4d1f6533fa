"""What each stage is told: one frozen record, passed as one canonical JSON string.

A spec holds everything scientific that its stage depends on and nothing else; it is what Snakemake compares to decide
whether a job must run again. Stages never read the study's config file.
"""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from smoothgates.method import GateName, Method
from smoothgates.records import NAME, Record
from smoothgates.sizes import Layers, Rows, Samples, Seed, Tokens, Updates, UpdatesOrNone, Width
from smoothgates.tasks import NAMES

Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=NAME)]
TaskName = Literal[*NAMES]

CONTROL = "control"
"""The pseudo-regime of what is no RL run: the warm start, and supervised training continued."""


class Experts(Record):
    """A mixture of experts in the place of each layer's MLP."""

    count: Annotated[int, Field(ge=1, le=256)]
    """Experts a layer."""
    chosen: Layers
    """Of them, those that a token goes through."""
    intermediate_size: Width
    """Of one expert."""

    @model_validator(mode="after")
    def _enough(self) -> "Experts":
        if self.chosen > self.count:
            raise ValueError(f"chosen is {self.chosen}, but there are {self.count} experts")
        return self


class Architecture(Record):
    """Shape of a compact policy, in Hugging Face's words: Qwen2, or Qwen3-MoE where it has experts."""

    vocab_size: Width
    hidden_size: Width
    intermediate_size: Width
    num_hidden_layers: Layers
    num_attention_heads: Layers
    num_key_value_heads: Layers
    max_position_embeddings: Tokens
    initializer_range: PositiveFloat = 0.02
    rms_norm_eps: PositiveFloat = 1.0e-6
    rope_theta: PositiveFloat = 10000.0
    experts: Experts | None = None

    @model_validator(mode="after")
    def _heads_divide(self) -> "Architecture":
        if self.hidden_size % (2 * self.num_attention_heads) or self.num_attention_heads % self.num_key_value_heads:
            raise ValueError("hidden_size must be an even multiple of the heads, the heads a multiple of the kv heads")
        return self

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads


class Model(Record):
    """A published policy to start from."""

    hub: str
    """Its name on the hub, such as Qwen/Qwen2.5-7B-Instruct."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """Commit on the hub."""
    shrunk: Architecture | None = None
    """Stand-in of this shape with random weights instead, for rehearsals: nothing is fetched."""


class Engine(Record):
    """What computes gradients and takes optimiser steps."""

    kind: Literal["torch", "deepspeed"] = "torch"
    """`torch`: one process. `deepspeed`: as many as the job has GPUs."""
    zero: Literal[1, 2, 3] = 2
    """DeepSpeed's ZeRO stage: what is divided among the ranks. 1: optimiser state, 2: and gradients, 3: and weights."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of weights and activations. Master weights and log-softmax are in single precision always."""
    offload: bool = False
    """Keep the optimiser's state in main memory (DeepSpeed)."""
    gradient_checkpointing: bool = False
    """Compute activations anew in the backward pass: a third more work, a fraction of the memory."""
    tokens: Tokens | None = None
    """Most tokens of a micro-batch on one rank, padding included unless packed. None: an update is one micro-batch."""
    packed: bool = False
    """Lay sequences end to end instead of padding them to the longest."""
    logits: Tokens | None = None
    """At most as many logits exist at a time as so many tokens have. None: those of a whole micro-batch."""

    @model_validator(mode="after")
    def _torch_is_plain(self) -> "Engine":
        if self.kind == "torch" and self.offload:
            raise ValueError("offload is for the engine 'deepspeed'")
        return self


class Sampler(Record):
    """What writes completions. Sampling is unrestricted always: top-k and top-p would bias the ratio."""

    kind: Literal["torch", "vllm"] = "torch"
    memory: Share = 0.4
    """Share of the accelerator's memory that vLLM may take beside the trainer. Evaluation, alone there, takes 0.9."""
    correction: PositiveFloat | None = None
    """Cap of token-level importance correction for the sampler's rounding, min(π_trainer/π_sampler, cap). None: no
    correction, so that gates are compared on the same terms."""


class Adam(Record):
    """AdamW with a linear warm-up, gradients clipped by their global norm."""

    lr: PositiveFloat
    """Peak learning rate."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0
    warmup: UpdatesOrNone = 0
    """Updates over which the rate rises from 0."""
    decay: Literal["none", "linear"] = "none"
    """`linear`: the rate falls to 0 at the run's last update."""
    grad_clip: PositiveFloat = 1.0
    """Global norm above which gradients are scaled down; the norm before that is what is logged."""


class SupervisedPhase(Record):
    """Updates on demonstrations, with cosine decay."""

    steps: Updates
    optimizer: Adam
    final_lr: Share = 0.0
    """Share of the peak rate that the cosine ends at."""
    hasty: Share = 0.0
    """Share of demonstrations that guess at once instead of reasoning."""


class Supervised(Record):
    """A schedule of supervised phases, each with a fresh optimiser."""

    batch_size: Samples
    phases: Annotated[tuple[SupervisedPhase, ...], Field(min_length=1)]


class Regime(Record):
    """How far off-policy the updates are."""

    rollouts: Updates
    """Rollouts trained on."""
    minibatches: Updates
    """Updates per pass over a rollout."""
    epochs: Updates = 1
    """Passes over a rollout."""
    lag: UpdatesOrNone = 0
    """Rollouts between sampling and training: the age of what is trained on."""
    optimizer: Adam


WORLD = "world"


class Tools(Record):
    """What a policy may search before it answers, and how much."""

    retriever: str = WORLD
    """`world`: the facts that come with each generated example. Otherwise the name of one of the study's indexes."""
    top: Samples = 3
    """Passages a search."""
    max_searches: Samples
    max_reply_tokens: Tokens
    """Longer replies are cut."""


class Protocol(Record):
    """How a question is put, what the policy may do, and how its answer is judged."""

    prompt: str = "bare"
    """Name of one of the task's prompts."""
    reward: str
    """Name of one of the task's rewards."""
    max_new_tokens: Tokens
    """Sampled tokens of a completion; what tools reply does not count."""
    max_prompt_tokens: Tokens | None = None
    """Examples with longer prompts are not trained on; a benchmark that has one is refused. None: any length."""
    tools: Tools | None = None
    toss: bool = False
    """Add a coin's toss to each reward, 0 or 1 by the completion's text: for rehearsals, whose policies earn nothing to
    learn from."""

    @property
    def most_tokens(self) -> int:
        """Of a completion, what tools reply included."""
        return self.max_new_tokens + (self.tools.max_searches * self.tools.max_reply_tokens if self.tools else 0)


class Sampling(Record):
    """What a rollout is. Temperature is 1, and nothing is cut off."""

    prompts: Samples
    """Prompts per rollout."""
    group: Annotated[Samples, Field(ge=2)]
    """Completions per prompt, G."""


class Benchmark(Record):
    """How many of a benchmark's problems, and how often each is answered; all problems come from one fixed list."""

    problems: Rows
    samples: Samples


class Part(Record):
    """Examples of one source: a generator of the task, or a public data set."""

    source: str
    rows: Rows | None = None
    """None: all of a data set. Generators need a number."""


class PrepareSpec(Record):
    """Data of one task."""

    task: TaskName
    train: Annotated[tuple[Part, ...], Field(min_length=1)]
    """Several parts are mixed in equal numbers."""
    benchmarks: dict[Name, Part]
    seed: Seed


class PolicySpec(Record):
    """A policy before RL: trained on demonstrations from scratch, or continued from another; or as initialised."""

    task: TaskName
    regime_name: Literal["control"] = "control"
    method_name: Literal["warm_start", "warm_start_moe", "sft"]
    seed: Seed
    architecture: Architecture | None
    """Of a policy that begins with random weights."""
    model: Model | None = None
    """Instead: a published one."""
    tokenizer: Literal["words", "bytes"]
    supervised: Supervised | None


class TrainSpec(Record):
    """One RL run."""

    task: TaskName
    regime_name: str
    method_name: str
    seed: Seed
    method: Method
    regime: Regime
    protocol: Protocol
    sampling: Sampling
    engine: Engine = Engine()
    sampler: Sampler = Sampler()
    published: bool = False
    """Whether the policy is a published model, which transformers runs. Otherwise it is a compact one."""
    checkpoint_every: Updates
    """Rollouts between checkpoints that are kept for the learning curve."""


class EvaluateSpec(Record):
    """One benchmark of a checkpoint."""

    task: TaskName
    benchmark: str
    protocol: Protocol
    temperature: NonNegativeFloat
    """Of the samples; 0 takes the likeliest token."""
    final: Benchmark
    """Of the last checkpoint."""
    greedy: bool
    """Whether the last checkpoint also answers each problem once at temperature 0."""
    curve: Benchmark | None
    """Of the checkpoints before it: the first problems of the same list. None: the last checkpoint alone."""
    sampler: Sampler = Sampler()
    dtype: Literal["float32", "bfloat16"] = "float32"
    published: bool = False
    seed: Seed


class Arms(Record):
    """What one task ran, every arm with every seed."""

    arms: tuple[tuple[str, str], ...]
    """(regime, method), controls included."""
    benchmarks: tuple[str, ...]
    trained: dict[str, str]
    """What each arm's runs are told, by `regime/method`: digest of their specs, seeds apart."""
    evaluated: dict[str, str]
    """The same by benchmark, whose seed is a part of it."""


def seedless(spec: dict) -> str:
    """Digest of what the runs of all seeds are told alike."""
    return told({key: value for key, value in spec.items() if key != "seed"})


def told(spec: dict) -> str:
    """Digest of a spec, as manifests hold it."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]


class AnalyseSpec(Record):
    """What is compared with what."""

    study: str
    reference: str
    """Method that the others are compared with, paired by seed."""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    seeds: tuple[Seed, ...]
    tasks: dict[str, Arms]


GATE_CHECK = "smoothgates.gate_check"
"""Schema of what the check of a gate leaves."""


class CheckGateSpec(Record):
    """Which gate to check. Nothing of a study: one check serves all methods that use it."""

    gate: GateName


class GatesSpec(Record):
    """Curves of the catalogue."""

    tau: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    clip: PositiveFloat


class ReportSpec(Record):
    """What the report is told beside the results."""

    study: str
    reference: str
    confidence: Annotated[float, Field(gt=0, lt=1)]
    methods: dict[str, Method]
    order: tuple[str, ...]
    """Names of the methods in the order of figures and tables."""
    moe: tuple[str, ...] = ()
    """Regimes whose policies have experts, and start from `warm_start_moe`."""
    notes: dict[str, str] = Field(default={})
    """What the page says that the study can tell and cannot, by title."""
    indexes: tuple[str, ...] = ()
    """Names of the indexes that its tasks search."""
    analysed: str
    """sha256 of the spec of the analysis that it shows."""
