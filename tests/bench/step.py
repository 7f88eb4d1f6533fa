"""One RL step, ours beside TRL's, on equal work: facts for K3. Needs `.venv-bench`.

    .venv-bench/bin/python -m tests.bench.step           all facts, as JSON

Both sides have the same weights: a Qwen2 with hidden size 128, four layers and single precision. A whole step is the
sampling of eight completions of 32 tokens for each of sixteen prompts, old log-probabilities, forward and backward
pass, and the optimiser. Rewards are given. Loss and gradient norm are compared first, on one saved rollout; if they
differ by more than 10⁻⁶, nothing is timed.

TRL makes no pass for old log-probabilities where the samples are the current policy's; ours always makes it. So both
make it here, and one fact says what TRL would save. In the ragged rollout completions and prompts differ in length, and
a third of the groups have rewards without variance.

One thread is timed in CPU seconds of the process, two by the clock. Peak memory is that of a process that does two
whole steps of one side, its imports included.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothgates.distributed.ranks import Ranks
from smoothgates.methods.method import Method
from smoothgates.objective import group_advantages
from smoothgates.policy.decoder import Decoder
from smoothgates.rollout.collect import Rollout, join
from smoothgates.rollout.sampler import Completions, SamplingParameters
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.train import EngineConfig, Regime, Sampling, TrainSpec
from smoothgates.train.accumulate import old_logprobs
from smoothgates.train.engine.engine import Sequences
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.step import update

from .harness import alternate
from .memory import resident

if TYPE_CHECKING:
    from .trl_step import TrlStep

PROMPTS, GROUP, STEPS, PROMPT = 16, 8, 32, 12
"""Prompts, completions of each, and tokens of a completion and of a prompt. Ragged ones have down to a quarter."""
ARCH = Architecture(
    vocab_size=1024,
    hidden_size=128,
    intermediate_size=256,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
)
SPEC = TrainSpec(
    task="math",
    regime_name="bench",
    method_name="grpo",
    seed=0,
    method=Method(gate="clip", clip=0.2),
    regime=Regime(rollouts=1, minibatches=1, optimizer=Adam(lr=1e-6)),
    protocol=Protocol(reward="exact", max_new_tokens=STEPS),
    sampling=Sampling(prompts=PROMPTS, group=GROUP),
    checkpoint_every=1,
)
EQUAL = 1e-6
"""Most that losses (in nats) and gradient norms (in relation) may be apart."""
REPEATS = 12


@dataclass(frozen=True)
class Saved:
    """A rollout, as each side reads it."""

    ours: Rollout
    theirs: dict[str, Tensor]


def saved(ragged: bool) -> Saved:
    """Random prompts, completions and rewards, and old log-probabilities that are near those of the policy."""
    generator = torch_stream(0, f"step ragged={ragged}")
    count = PROMPTS * GROUP

    def lengths(most: int, number: int) -> Tensor:
        return torch.randint(most // 4 if ragged else most, most + 1, (number,), generator=generator)

    def tokens(*shape: int) -> Tensor:
        # Not 0, the padding: transformers gives its embedding no gradient.
        return torch.randint(1, ARCH.vocab_size, shape, generator=generator)

    prompts = [tokens(n).tolist() for n in lengths(PROMPT, PROMPTS)]
    own = lengths(STEPS, count)
    mask = torch.arange(STEPS) < own.unsqueeze(1)
    ids = tokens(count, STEPS) * mask
    rewards = torch.randint(2, (PROMPTS, GROUP), generator=generator).float()
    rewards[:, 0], rewards[:, 1] = 0, 1
    if ragged:
        rewards[: round(PROMPTS / 3)] = 1
    noise = 0.1 * torch.randn(count, STEPS, generator=generator) * mask
    # Log-probabilities of random weights are near -log V.
    old = (noise - torch.tensor(ARCH.vocab_size).log()) * mask
    return rollout_of(prompts, Completions(ids, old, mask, own, own < 0), rewards, old)


def rollout_of(prompts: list[list[int]], completions: Completions, rewards: Tensor, old: Tensor | None = None) -> Saved:
    """The rollout as each side arranges it. Ours leaves out groups without variance, TRL trains on them."""
    ids, starts = join(prompts, completions, GROUP)
    mask = completions.mask
    rows = (rewards.amax(1) > rewards.amin(1)).repeat_interleave(GROUP).nonzero().squeeze(1)
    kept = torch.zeros_like(completions.logp) if old is None else old
    ours = Rollout(
        ids[rows], starts[rows], completions.lengths[rows], mask[rows], kept[rows], kept[rows],
        torch.arange(len(rows)).unsqueeze(0), rows, rewards, mask, {},
    )  # fmt: skip
    width = max(map(len, prompts))
    padded = torch.stack([F.pad(torch.tensor(p), (width - len(p), 0)) for p in prompts]).repeat_interleave(GROUP, 0)
    real = (torch.arange(width) >= width - starts.unsqueeze(1)).long()
    theirs = {
        "prompt_ids": padded,
        "prompt_mask": real,
        "completion_ids": completions.ids,
        "completion_mask": mask.long(),
        "advantages": group_advantages(rewards).flatten(),
        "old_per_token_logps": old,
    }
    return Saved(ours, theirs)


class OurStep:
    """The decoder with the sampler and the engine of a run."""

    def __init__(self):
        self.policy = Decoder(ARCH).initialise(torch_stream(0, "initialise"))
        self.sampler = TorchSampler(self.policy)
        self.engine = TorchEngine(self.policy, EngineConfig(), SPEC.regime.optimizer, Ranks())
        self.generator = torch_stream(0, "samples")
        # An end that is no token: all completions are equally long.
        self.parameters = SamplingParameters(GROUP, STEPS, (ARCH.vocab_size,))

    def generate(self, prompts: list[list[int]]) -> Completions:
        """Completions of each prompt."""
        return self.sampler.sample(prompts, self.parameters, self.generator)

    @torch.no_grad()
    def score(self, rollout: Rollout) -> None:
        """Replace the old log-probabilities by this policy's."""
        sequences = Sequences(rollout.ids, rollout.starts, rollout.lengths)
        width = rollout.mask.shape[1]
        rollout.old_logp[:], _ = old_logprobs(self.engine, sequences, width, [rollout.order[0]], SPEC.engine)

    def update(self, rollout: Rollout) -> dict[str, float]:
        """One optimiser step. Returns its metrics."""
        return update(self.engine, rollout, rollout.order[0], SPEC, 0)


def our_step(side: OurStep, prompts: list[list[int]], rewards: Tensor) -> None:
    """A whole step of ours."""
    rollout = rollout_of(prompts, side.generate(prompts), rewards).ours
    side.score(rollout)
    side.update(rollout)


def trl_step(side: "TrlStep", prompts: list[list[int]], rewards: Tensor, scores: bool = True) -> None:
    """A whole step of TRL's. `scores`: with a pass for old log-probabilities."""
    ids = side.generate(torch.tensor(prompts).repeat_interleave(GROUP, 0))
    length = torch.full((len(ids),), ids.shape[1])
    mask = torch.ones_like(ids, dtype=torch.bool)
    inputs = rollout_of(prompts, Completions(ids, torch.zeros(ids.shape), mask, length, length < 0), rewards).theirs
    trl_update(side, inputs, scores)


def trl_update(side: "TrlStep", inputs: dict[str, Tensor], scores: bool = True) -> None:
    """TRL's part after the samples."""
    side.update(inputs | {"old_per_token_logps": side.old_logprobs(inputs) if scores else None})


def gate0(ragged: bool) -> dict:
    """Loss and gradient norm of both sides on one rollout. Raises RuntimeError if they are apart."""
    from .trl_step import TrlStep

    ours, rollout = OurStep(), saved(ragged)
    theirs = TrlStep(ours.policy, SPEC.regime.optimizer, STEPS)
    loss, norm = theirs.gradient(rollout.theirs)
    found = ours.update(rollout.ours)
    apart = max(abs(found["loss"] - loss), abs(found["grad_norm"] - norm) / norm)
    if not apart <= EQUAL:
        raise RuntimeError(f"loss or gradient norm differ from TRL's by {apart:.1e}: {found['loss']}, {loss}")
    what = f"gate 0{' (ragged)' if ragged else ''}: loss, gradient norm"
    return {"what": what, "unit": "nats", "ours": found["loss"], "theirs": loss, "apart": apart}


def times(threads: int, repeats: int = REPEATS) -> list[dict]:
    """Facts on so many threads, in this process."""
    from .trl_step import TrlStep

    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    named = f"{threads} thread{'s' if threads > 1 else ''}"
    facts = [gate0(ragged) for ragged in (False, True)] if threads == 1 else []
    ours = OurStep()
    theirs = TrlStep(ours.policy, SPEC.regime.optimizer, STEPS)
    equal, ragged = saved(False), saved(True)
    prompts = equal.theirs["prompt_ids"][::GROUP].tolist()
    repeated, rewards = equal.theirs["prompt_ids"], equal.ours.rewards

    def ours_after(rollout: Rollout) -> None:
        ours.score(rollout)
        ours.update(rollout)

    pairs = {
        "whole step": (lambda: our_step(ours, prompts, rewards), lambda: trl_step(theirs, prompts, rewards)),
        "generation": (lambda: ours.generate(prompts), lambda: theirs.generate(repeated)),
        "score and update": (lambda: ours_after(equal.ours), lambda: trl_update(theirs, equal.theirs)),
        "ragged, score and update": (lambda: ours_after(ragged.ours), lambda: trl_update(theirs, ragged.theirs)),
        "on-policy: TRL without a pass for old log-probabilities": (
            lambda: our_step(ours, prompts, rewards), lambda: trl_step(theirs, prompts, rewards, scores=False),
        ),
    }  # fmt: skip
    compared = [compare(f"{what}, {named}", *pair, repeats, clock) for what, pair in pairs.items()]
    limit = arithmetic() / matmul_rate(clock)
    what = f"arithmetic limit of {arithmetic() / 1e9:.1f} GFLOP, {named}"
    return [*facts, *compared, {"what": what, "unit": "s", "ours": compared[0]["ours"], "theirs": limit}]


def compare(what: str, ours: Callable, theirs: Callable, repeats: int, clock: Callable[[], float]) -> dict:
    """Medians of both sides, which take turns, and median and quartiles of the ratios of neighbours."""
    taken = alternate({"ours": ours, "theirs": theirs}, repeats, clock)
    ratios = [b / a for a, b in zip(taken["ours"], taken["theirs"], strict=True)]
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    both = {side: median(seconds) for side, seconds in taken.items()}
    return {"what": what, "unit": "s", **both, "ratio": middle, "spread": [low, high]}


def arithmetic() -> int:
    """Floating-point operations of a step's products with weights, each row computed whole: a product and a sum each.

    Prompts are computed once in generation; an update with its old log-probabilities is four forward passes.
    """
    layers = sum(p.numel() for p in Decoder(ARCH).model.layers.parameters() if p.dim() == 2)
    rows = PROMPTS * GROUP
    sampling, training = PROMPTS * PROMPT + rows * (STEPS - 1), rows * (PROMPT + STEPS - 1)
    head = ARCH.vocab_size * ARCH.hidden_size * rows * STEPS
    return 2 * (layers * (sampling + 4 * training) + head * 5)


def matmul_rate(clock: Callable[[], float], side: int = 1024) -> float:
    """Operations a second of a product of square matrices."""
    matrix = torch.ones(side, side)
    (seconds,) = alternate({"product": lambda: matrix @ matrix}, 20, clock).values()
    return 2 * side**3 / median(seconds)


def memory(side: str) -> dict[str, float]:
    """Peak MiB of this process after two whole steps of a side, and beyond what was resident before them."""
    torch.set_num_threads(1)
    ours, equal = OurStep(), saved(False)
    prompts, rewards = equal.theirs["prompt_ids"][::GROUP].tolist(), equal.ours.rewards
    run = lambda: our_step(ours, prompts, rewards)  # noqa: E731
    if side == "theirs":
        from .trl_step import TrlStep

        theirs = TrlStep(ours.policy, SPEC.regime.optimizer, STEPS)
        run = lambda: trl_step(theirs, prompts, rewards)  # noqa: E731
    before = resident("VmRSS")
    for _ in range(2):
        run()
    return {"peak memory": resident("VmHWM"), "memory beyond imports and weights": resident("VmHWM") - before}


def child(*words: str, threads: int = 1):
    """What this file prints for these words, in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TRANSFORMERS_VERBOSITY": "error"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.step", *words],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")
    return json.loads(done.stdout.splitlines()[-1])


def rows() -> list[dict]:
    """All facts: equal loss first, then times on one thread and on two, then memory."""
    facts = [fact for threads in (1, 2) for fact in child("times", str(threads), threads=threads)]
    ours, theirs = child("memory", "ours"), child("memory", "theirs")
    for what in ours:
        facts.append({"what": what, "unit": "MiB", "ours": ours[what], "theirs": theirs[what]})
    return facts


if __name__ == "__main__":
    if sys.argv[1:2] == ["times"]:
        print(json.dumps(times(int(sys.argv[2]))))
    elif sys.argv[1:2] == ["memory"]:
        print(json.dumps(memory(sys.argv[2])))
    else:
        print(json.dumps(rows()))
