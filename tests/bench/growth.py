"""The facts of K9: what an update, a run and an analysis take at small and large sizes.

    python -m tests.bench.growth       as JSON, in the last line

The policy is small, so that what is not arithmetic shows. Times are CPU seconds, on one thread.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch

from smoothgates.analysis.compare import METRICS, comparisons, summaries
from smoothgates.distributed.ranks import Ranks
from smoothgates.methods.table import load_methods
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.text import compact_text
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.rollout.collect import Rollout
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.specs.architecture import Architecture
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.train import EngineConfig, Regime, Sampling, TrainSpec
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Verdict, each
from smoothgates.train.context import RunContext
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.loop import train
from smoothgates.train.run.state import State
from smoothgates.train.step import update

from .harness import alternate
from .memory import resident
from .runner import alone

ARCHITECTURE = Architecture(
    vocab_size=112,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=128,
)
PROMPT, COMPLETION, GROUP = 8, 24, 8
"""Tokens of a prompt and of a completion, and completions of a prompt."""
ROW = PROMPT + COMPLETION
MICRO_BATCH = 256 * ROW
"""Tokens of a micro-batch."""
TOKENS = tuple(4**i * 1024 for i in range(5))
"""Tokens of the updates that are timed: 1k to 256k."""
ROWS = (512, 2048, 8192)
"""Rows of the updates whose memory is measured. Two micro-batches are the fewest that are accumulated."""
HISTORY = 20_000
"""Updates in the history of a long run."""
SEEDS = (200, 400)
"""Not fewer: the exact test of up to 40 seeds counts patterns of signs instead."""


def spec() -> TrainSpec:
    """A run of one update a rollout."""
    return TrainSpec(
        task="math",
        regime_name="growth",
        method_name="grpo",
        seed=0,
        method=load_methods("config/methods.yaml")["grpo"],
        regime=Regime(rollouts=1, minibatches=1, optimizer=Adam(lr=1e-4)),
        protocol=Protocol(reward="exact", max_new_tokens=COMPLETION),
        sampling=Sampling(prompts=4, group=GROUP),
        engine=EngineConfig(tokens=MICRO_BATCH),
        checkpoint_every=1,
    )


def engine_of(chosen: TrainSpec) -> TorchEngine:
    policy = Decoder(ARCHITECTURE).initialise(torch_stream(0, "initialise"))
    return TorchEngine(policy, chosen.engine, chosen.regime.optimizer, Ranks())


def rollout_of(rows: int) -> Rollout:
    """Groups of random completions, of which half are right."""
    stream = torch_stream(0, "rollout")
    prompts = torch.randint(5, ARCHITECTURE.vocab_size, (rows // GROUP, PROMPT), generator=stream)
    completions = torch.randint(5, ARCHITECTURE.vocab_size, (rows, COMPLETION), generator=stream)
    mask = torch.ones(rows, COMPLETION, dtype=torch.bool)
    logp = torch.full((rows, COMPLETION), -math.log(ARCHITECTURE.vocab_size))
    return Rollout(
        ids=torch.cat([prompts.repeat_interleave(GROUP, dim=0), completions], dim=1),
        starts=torch.full((rows,), PROMPT),
        lengths=torch.full((rows,), COMPLETION),
        mask=mask,
        old_logp=logp,
        sampler_logp=logp,
        order=torch.arange(rows).unsqueeze(0),
        rows=torch.arange(rows),
        rewards=(torch.arange(rows) % 2.0).view(-1, GROUP),
        sampled=mask,
        metrics={},
    )


def updates(sizes: tuple[int, ...] = TOKENS, repeats: int = 5) -> dict:
    """The straight line through the median times of updates on so many tokens."""
    chosen = spec()
    engine, rollouts = engine_of(chosen), {str(size): rollout_of(size // ROW) for size in sizes}
    calls = {
        name: lambda rollout=rollout: update(engine, rollout, rollout.rows, chosen, 0)
        for name, rollout in rollouts.items()
    }
    seconds = [median(times) for times in alternate(calls, repeats, time.process_time).values()]
    slope, start = np.polyfit(sizes, seconds, 1)
    missed = np.square(seconds - (start + slope * np.array(sizes))).sum() / np.square(seconds - np.mean(seconds)).sum()
    return {"start": start, "slope": slope, "r2": 1 - missed}


def update_mib(rows: int) -> float:
    """Peak memory of an update beyond what is there before it, in MiB. Needs a process of its own."""
    torch.set_num_threads(1)
    chosen = spec()
    engine, rollout = engine_of(chosen), rollout_of(rows)
    update(engine, rollout, rollout.rows[:GROUP], chosen, 0)  # the optimiser makes its state in the first
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = resident("VmRSS")
    update(engine, rollout, rollout.rows, chosen, 1)
    return resident("VmHWM") - before


def run_seconds(rollouts: int = 60, history: int = HISTORY) -> list[float]:
    """Median time of a rollout and its update, at the start of a run and after a long history; they take turns."""
    stream = load_task("math").generators["word_problems"].generate(python_stream(0, "problems"))
    examples = [next(stream) for _ in range(64)]
    texts = [text for example in examples for text in (example.question, example.extra["solution"])]
    text, chosen, turns = compact_text(build_tokenizer(texts, ARCHITECTURE.vocab_size)), spec(), cycle((1.0, 0.0))
    judge = each(lambda *_: Verdict(next(turns), {}, None, "wrong"))
    setup = replace(load_task_setup("math", chosen.protocol), judge=judge)

    def run(before: int) -> Callable[[], None]:
        state = State.first(engine_of(chosen), chosen)
        context = RunContext(chosen, TorchSampler(state.engine.policy), text, setup, examples)

        def step() -> None:
            regime = chosen.regime.model_copy(update={"rollouts": state.history.rollouts + 1})
            train(state, replace(context, spec=chosen.model_copy(update={"regime": regime})))

        step()
        state.history.updates *= before
        state.history.seconds *= before
        return step

    times = alternate({"short": run(1), "long": run(history)}, rollouts, time.process_time)
    return [median(seconds) for seconds in times.values()]


def analysis_seconds(seeds: int) -> float:
    """Time to compare ten methods with so many seeds: the least of three."""
    random = np.random.default_rng(0)
    cell = {"task": "math", "benchmark": "heldout", "regime": "near"}
    runs = pd.DataFrame([{**cell, "method": f"m{i}", "seed": seed} for i in range(10) for seed in range(seeds)])
    for name in (*METRICS, "sampling_error"):
        runs[name] = random.random(len(runs))
    found = []
    for _ in range(3):
        began = time.process_time()
        summaries(runs, 0.95)
        comparisons(runs, "m0", 0.95)
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    torch.set_num_threads(1)
    facts = {
        "tokens": TOKENS,
        "line": updates(),
        "memory": [{"rows": rows, "update_mib": alone(update_mib, rows)} for rows in ROWS],
        "history": run_seconds(),
        "analysis": {str(seeds): analysis_seconds(seeds) for seeds in SEEDS},
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
