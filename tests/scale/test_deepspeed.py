"""Two ranks of DeepSpeed make the same updates as one process of torch, whatever is divided among them."""

import dataclasses
import math
import os
from pathlib import Path

os.environ["DS_ACCELERATOR"] = "cpu"

import deepspeed  # noqa: F401 (imported here, so that forked ranks need not import it)
import pytest
import torch

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.policy import Policy
from smoothgates.policy.save import save_policy
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.policy.transformer import load_transformer
from smoothgates.rollout.collect import Rollout
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.train import EngineConfig, Regime, Sampling, TrainSpec
from smoothgates.study.loader import load_study
from smoothgates.train.accumulate import old_logprobs
from smoothgates.train.engine import deepspeed_engine
from smoothgates.train.engine.deepspeed_engine import DeepSpeedEngine
from smoothgates.train.engine.engine import Sequences
from smoothgates.train.engine.make import loaded_dtype
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.run import checkpoint
from smoothgates.train.step import update

from .world import world

ARCHITECTURE = Architecture(
    vocab_size=112,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=64,
    initializer_range=0.1,
)
EXPERTS = ARCHITECTURE.model_copy(update={"experts": ExpertsConfig(count=4, chosen=2, intermediate_size=32)})
ROWS, UPDATES = 7, 20
"""An odd number of rows: one rank has more."""


def policy(architecture: Architecture = ARCHITECTURE) -> Decoder:
    return Decoder(architecture).initialise(torch_stream(0, "initialise"))


def spec_of(**engine) -> TrainSpec:
    return TrainSpec(
        task="math",
        regime_name="reuse",
        method_name="erf",
        seed=0,
        method=load_study("laptop").methods["erf"].model_copy(update={"aggregation": "token_mean"}),
        regime=Regime(rollouts=UPDATES, minibatches=1, optimizer=Adam(lr=1e-3, weight_decay=0.1, warmup=3)),
        protocol=Protocol(reward="exact", max_new_tokens=12),
        sampling=Sampling(prompts=4, group=2),
        engine=EngineConfig(kind="deepspeed", **engine),
        checkpoint_every=1,
    )


def rollout_of(number: int) -> Rollout:
    """A rollout like those that an earlier policy might have sampled."""
    random = torch.Generator().manual_seed(number)
    starts = torch.randint(1, 9, (ROWS,), generator=random)
    lengths = torch.randint(1, 20, (ROWS,), generator=random)
    width = int(lengths.max())
    ids = torch.randint(0, 112, (ROWS, int((starts + lengths).max())), generator=random)
    mask = torch.arange(width) < lengths.unsqueeze(1)
    old = (-4 + 0.5 * torch.randn(ROWS, width, generator=random)) * mask
    rows = torch.arange(ROWS)
    rewards = torch.randn(1, ROWS, generator=random)
    return Rollout(ids, starts, lengths, mask, old, old, rows.unsqueeze(0), rows, rewards, mask, {})


def updates(engine, spec: TrainSpec, numbers) -> list[dict[str, float]]:
    """Metrics of an update on each of these rollouts. The policy scores each one first, without a gradient."""
    made = []
    for number in numbers:
        rollout, rows = rollout_of(number), torch.arange(ROWS)
        sequences = Sequences(rollout.ids, rollout.starts, rollout.lengths)
        with torch.no_grad():
            _, routes = old_logprobs(engine, sequences, rollout.mask.shape[1], [rows], spec.engine)
        made.append(update(engine, dataclasses.replace(rollout, routes=routes), rows, spec, number))
    return made


def divided(ranks: Ranks, spec: TrainSpec, whole: Policy | None = None) -> DeepSpeedEngine:
    """An engine that divides all weights; by default, DeepSpeed keeps small ones on all ranks."""
    settings = deepspeed_engine.settings

    def strict(*what):
        made = settings(*what)
        made["zero_optimization"]["stage3_param_persistence_threshold"] = 0
        return made

    deepspeed_engine.settings = strict
    try:
        return DeepSpeedEngine(whole or policy(), spec.engine, spec.regime.optimizer, ranks)
    finally:
        deepspeed_engine.settings = settings


CASES = {
    **{f"zero {zero}": {"zero": zero} for zero in (1, 2, 3)},
    **{f"zero {zero}, micro-batches": {"zero": zero, "tokens": 40} for zero in (1, 2, 3)},
    **{f"zero {zero}, packed": {"zero": zero, "packed": True, "tokens": 50, "logits": 16} for zero in (1, 2, 3)},
    **{f"zero {zero}, offload": {"zero": zero, "offload": True, "tokens": 40} for zero in (2, 3)},
    **{f"zero {zero}, recomputed": {"zero": zero, "gradient_checkpointing": True} for zero in (2, 3)},
    "zero 3, logits in parts": {"zero": 3, "logits": 8},
}


@pytest.fixture(scope="module")
def alone():
    """Diagnostics and weights of torch in one process, in one micro-batch an update."""
    torch.set_num_threads(1)
    spec = spec_of()
    engine = TorchEngine(policy(), EngineConfig(), spec.regime.optimizer, Ranks())
    return updates(engine, spec, range(UPDATES)), engine.weights()


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The same for each case, on each rank."""

    def act(ranks: Ranks) -> dict:
        found = {}
        for name, changes in CASES.items():
            spec = spec_of(**changes)
            engine = divided(ranks, spec)
            found[name] = updates(engine, spec, range(UPDATES)), engine.weights()
        return found

    return world(2, act, tmp_path_factory.mktemp("together"))


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_take_the_steps_of_one_process(case, alone, together):
    (made, weights), (made_by_other, nothing) = (rank[case] for rank in together)
    assert nothing == {}
    assert list(weights) == list(alone[1])
    assert repr(made_by_other) == repr(made), "every rank logs the same"  # as text, NaN equals NaN
    assert len(made) == UPDATES
    for mine, reference in zip(made, alone[0], strict=True):
        assert mine == pytest.approx(reference, rel=1e-5, abs=1e-5, nan_ok=True)
    for name, tensor in alone[1].items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-5)


def test_the_weights_have_moved(alone):
    moved = [(tensor - start).abs().max() for tensor, start in zip(alone[1].values(), policy().state_dict().values())]
    assert min(moved) > 1e-3


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_step_that_is_not_finite_is_not_taken(poison, tmp_path):
    def act(ranks: Ranks) -> list:
        found = []
        for zero in (1, 2, 3):
            for dtype in ("float32", "bfloat16"):
                spec = spec_of(zero=zero, dtype=dtype)
                engine = divided(ranks, spec)
                updates(engine, spec, range(2))
                before = [dict_of(engine.part_state(part)) for part in engine.parts()], engine.weights()
                rollout = rollout_of(0)
                logp, _ = engine.score(rollout.ids, rollout.starts, rollout.lengths)
                factor = poison if ranks.rank else 1.0
                engine.backward((logp * factor).sum(), last=True)
                norm = engine.step(1.0)
                after = [dict_of(engine.part_state(part)) for part in engine.parts()], engine.weights()
                found.append((norm, same(before, after)))
                made = updates(engine, spec, range(2, 3))  # the next gradient must not contain it
                found.append((0.0 if math.isfinite(made[0]["grad_norm"]) else math.nan, True))
        return found

    for rank in world(2, act, tmp_path / "world"):
        assert len(rank) == 12
        for (norm, untouched), (next_norm, _) in zip(rank[::2], rank[1::2], strict=True):
            assert not math.isfinite(norm)
            assert untouched
            assert next_norm == 0.0


def dict_of(state: dict) -> dict:
    return {name: torch.as_tensor(tensor).clone() for name, tensor in state.items()}


def same(a, b) -> bool:
    """To the bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    pairs = zip(a.values(), b.values(), strict=True) if isinstance(a, dict) else zip(a, b, strict=True)
    return all(same(x, y) for x, y in pairs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_restored_engine_resumes_to_the_bit(dtype, tmp_path):
    def act(ranks: Ranks) -> list[bool]:
        found = []
        for zero, offload in ((1, False), (2, False), (3, False), (2, True), (3, True)):
            for before in (0, 3):
                spec = spec_of(zero=zero, dtype=dtype, offload=offload)
                folder = tmp_path / f"{zero}{offload}{before}"
                one = divided(ranks, spec)
                updates(one, spec, range(before))
                checkpoint.save(folder, {}, {}, {}, ranks, one.tensors())
                on = updates(one, spec, range(before, before + 3)), one.weights()
                other = divided(ranks, spec)
                _, _, path = checkpoint.load(folder, ranks)
                other.load(checkpoint.read_part(path, ranks))
                again = updates(other, spec, range(before, before + 3)), other.weights()
                found.append(str(on[0]) == str(again[0]) and same(on[1], again[1]))
        return found

    assert world(2, act, tmp_path / "world") == [[True] * 10] * 2


def test_no_rank_uses_a_checkpoint_with_a_damaged_part(tmp_path):
    def act(ranks: Ranks) -> str:
        spec = spec_of(zero=2)
        engine = divided(ranks, spec)
        for _ in range(2):
            updates(engine, spec, range(1))
            checkpoint.save(tmp_path / "checkpoints", {}, {}, {}, ranks, engine.tensors())
        if ranks.is_main:
            part = tmp_path / "checkpoints/000002/rank1.safetensors"
            data = bytearray(part.read_bytes())
            data[-1] ^= 1
            part.write_bytes(data)
        ranks.gather(None)
        return checkpoint.load(tmp_path / "checkpoints", ranks)[2].name

    assert world(2, act, tmp_path / "world") == ["000001"] * 2


def test_a_bfloat16_policy_follows_the_exact_one(alone, tmp_path):
    """Master weights are exact: over 20 steps, rounding changes the weights less than training does."""

    def act(ranks: Ranks) -> list:
        found = []
        for zero in (1, 2, 3):
            spec = spec_of(zero=zero, dtype="bfloat16", tokens=40)
            engine = divided(ranks, spec)
            made = updates(engine, spec, range(UPDATES))
            found.append(([each["loss"] for each in made], engine.weights()))
        return found

    start = policy().state_dict()
    for losses, weights in world(2, act, tmp_path / "world")[0]:
        assert losses == pytest.approx([each["loss"] for each in alone[0]], abs=0.05)
        away = sum((weights[name].float() - tensor).square().sum() for name, tensor in alone[1].items())
        moved = sum((start[name] - tensor).square().sum() for name, tensor in alone[1].items())
        assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
        assert away < 0.1 * moved


def transformer(folder: Path) -> Policy:
    """The same policy as transformers runs it."""
    tokenizer = build_tokenizer(["1 + 2 = 3"], ARCHITECTURE.vocab_size)
    folder.mkdir(exist_ok=True)
    save_policy(folder, policy(), tokenizer)
    return load_transformer(folder)


@pytest.mark.parametrize("zero", [1, 2, 3])
@pytest.mark.parametrize("kind", ["experts", "transformers"])
def test_other_policies_take_the_same_steps(kind, zero, tmp_path):
    """Experts that only the rows of one rank use, and models that transformers runs."""
    made_by = {"experts": lambda: policy(EXPERTS), "transformers": lambda: transformer(tmp_path / "model")}[kind]
    spec = spec_of(zero=zero, tokens=40)
    reference = TorchEngine(made_by(), EngineConfig(), spec.regime.optimizer, Ranks())
    made = updates(reference, spec_of(), range(4))

    def act(ranks: Ranks) -> tuple:
        engine = divided(ranks, spec, made_by() if kind == "experts" else load_transformer(tmp_path / "model"))
        return updates(engine, spec, range(4)), engine.weights()

    (found, weights), _ = world(2, act, tmp_path / "world")
    for mine, theirs in zip(found, made, strict=True):
        mine.pop("routing_churn", None), theirs.pop("routing_churn", None)  # measured on a few rows, which differ
        assert mine == pytest.approx(theirs, rel=1e-5, abs=1e-5, nan_ok=True)
    assert list(weights) == list(reference.weights())
    for name, tensor in reference.weights().items():  # Adam's first steps amplify the rounding of small gradients
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=5e-5)


def test_loading_a_rounded_policy_gives_the_same_result(tmp_path):
    """DeepSpeed rounds weights before it copies master weights from them, so they need not be loaded in float32."""
    transformer(tmp_path / "model")

    def act(ranks: Ranks) -> list[bool]:
        found = []
        for zero in (1, 2, 3):
            spec, made = spec_of(zero=zero, dtype="bfloat16"), []
            for dtype in ("float32", loaded_dtype(spec.engine)):
                engine = divided(ranks, spec, load_transformer(tmp_path / "model", dtype))
                made.append((str(updates(engine, spec, range(3))), engine.weights()))
            found.append(made[0][0] == made[1][0] and same(made[0][1], made[1][1]))
        return found

    assert world(2, act, tmp_path / "world") == [[True] * 3] * 2


def test_one_rank_alone(alone, tmp_path):
    spec = spec_of(zero=2)
    [(made, weights)] = world(
        1, lambda ranks: (updates(engine := divided(ranks, spec), spec, range(UPDATES)), engine.weights()), tmp_path
    )
    assert [each["loss"] for each in made] == pytest.approx([each["loss"] for each in alone[0]], abs=1e-5)
    for name, tensor in alone[1].items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-5)
