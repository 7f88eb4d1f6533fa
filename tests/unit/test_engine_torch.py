"""The torch engine: what precision, recomputation and micro-batches may change, and what they must not."""

import copy
import math

import pytest
import torch
from rounding import FORWARD, NEAR, assert_gradients_rounded, largest, ulps

from smoothgates.distributed.ranks import Ranks
from smoothgates.policy.decoder import Decoder
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.train import EngineConfig
from smoothgates.train.engine.torch_engine import TorchEngine

ADAM = Adam(lr=1e-3, weight_decay=0.1)


def engine_of(policy, adam=ADAM, **how):
    return TorchEngine(policy, EngineConfig(**how), adam, Ranks())


def rows():
    generator = torch_stream(0, "rows")
    lengths = torch.randint(3, 12, (6,), generator=generator)
    return torch.randint(5, 110, (6, 20), generator=generator), torch.full((6,), 8), lengths


def loss_of(engine, ids, starts, lengths):
    logp, _ = engine.score(ids, starts, lengths)
    return -logp[torch.arange(logp.shape[1]) < lengths.unsqueeze(1)].sum()


def gradients_of(engine, batch):
    return torch.autograd.grad(loss_of(engine, *batch), engine.optimizer.parameters)


@pytest.mark.parametrize("how", [{}, {"packed": True}, {"logits": 8}, {"packed": True, "logits": 8}])
def test_recomputing_activations_keeps_every_bit(how, policy):
    """In values and gradients."""
    plain, frugal = engine_of(copy.deepcopy(policy), **how), engine_of(policy, gradient_checkpointing=True, **how)
    assert torch.equal(plain.score(*rows())[0], frugal.score(*rows())[0])
    for a, b in zip(gradients_of(plain, rows()), gradients_of(frugal, rows()), strict=True):
        assert torch.equal(a, b)


def test_recomputing_activations_saves_their_memory():
    shape = {"vocab_size": 112, "hidden_size": 64, "intermediate_size": 192, "num_attention_heads": 4}
    arch = Architecture(**shape, num_hidden_layers=12, num_key_value_heads=2, max_position_embeddings=64)
    policy = Decoder(arch).initialise(torch_stream(0, "initialise"))

    def kept(engine):
        """Bytes that autograd keeps for the backward pass, without weights."""
        found = {}
        own = {weight.untyped_storage().data_ptr() for weight in engine.policy.parameters()}

        def note(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = loss_of(engine, *rows())
        assert loss.requires_grad
        return sum(found.values())

    plain = kept(engine_of(policy))
    assert kept(engine_of(policy, gradient_checkpointing=True)) < plain / 5


@pytest.mark.parametrize("how", [{}, {"packed": True}, {"logits": 8}, {"gradient_checkpointing": True}])
def test_half_precision_multiplies_in_halves_and_keeps_weights_and_softmax_single(how, policy):
    single, half = engine_of(copy.deepcopy(policy)), engine_of(policy, dtype="bfloat16", **how)
    (expected, _), (logp, entropy) = single.score(*rows()), half.score(*rows())
    mask = torch.arange(logp.shape[1]) < rows()[2].unsqueeze(1)
    assert logp.dtype == entropy.dtype == torch.float32
    # Layers round to half precision; what follows them is in single precision.
    size = largest(expected[mask])
    assert ulps(FORWARD, size) < (logp - expected)[mask].abs().max() < ulps(1, size, torch.bfloat16)
    # A softmax in half precision would give multiples of 2⁻⁶.
    assert (logp[mask] != logp[mask].bfloat16().float()).float().mean() > 0.9
    half.backward(loss_of(half, *rows()), last=True)
    assert {gradient.dtype for gradient in half.gradients} == {torch.float32}
    assert math.isfinite(half.step(1.0))
    assert {weight.dtype for weight in half.weights().values()} == {torch.float32}


SETTINGS = [
    {"dtype": dtype, "packed": packed, "logits": logits, "gradient_checkpointing": frugal}
    for dtype in ("float32", "bfloat16")
    for packed in (False, True)
    for logits in (None, 8)
    for frugal in (False, True)
]


@pytest.mark.parametrize("how", SETTINGS, ids=lambda how: "-".join(map(str, how.values())))
def test_with_and_without_a_gradient_log_probabilities_are_the_same_bits(how, policy):
    """Otherwise the first ratios would not be 1, and narrow gates would close on rounding."""
    engine = engine_of(policy, **how)
    with torch.no_grad():
        old, _ = engine.score(*rows())
    now, _ = engine.score(*rows())
    assert now.requires_grad
    mask = torch.arange(now.shape[1]) < rows()[2].unsqueeze(1)
    assert torch.equal(now[mask], old[mask])


def test_gradients_of_micro_batches_add_up(policy):
    whole, parts = engine_of(copy.deepcopy(policy)), engine_of(policy)
    whole.backward(loss_of(whole, *rows()), last=True)
    for i in range(3):
        part = tuple(tensor[2 * i : 2 * i + 2] for tensor in rows())
        parts.backward(loss_of(parts, *part), last=i == 2)
    assert_gradients_rounded(parts.gradients, whole.gradients)
    assert parts.step(1.0) == pytest.approx(whole.step(1.0), rel=NEAR)
    assert parts.gradients is None


def test_a_gradient_that_is_not_finite_changes_nothing(policy):
    engine = engine_of(policy)
    engine.backward(loss_of(engine, *rows()), last=True)
    engine.step(1.0)
    before = {name: tensor.clone() for name, tensor in engine.tensors().items()}
    engine.backward(loss_of(engine, *rows()) * math.inf, last=True)
    assert not math.isfinite(engine.step(1.0))
    assert all(torch.equal(tensor, before[name]) for name, tensor in engine.tensors().items())
    engine.backward(loss_of(engine, *rows()), last=True)
    assert math.isfinite(engine.step(1.0))
    assert not torch.equal(engine.tensors()["policy.model.norm.weight"], before["policy.model.norm.weight"])


def test_an_engine_resumes_from_the_state_of_another(policy):
    first, second = engine_of(copy.deepcopy(policy)), engine_of(copy.deepcopy(policy))
    for engine in (first, first, second):
        engine.backward(loss_of(engine, *rows()), last=True)
        engine.step(1.0)
    second.load({name: tensor.clone() for name, tensor in first.tensors().items()})
    for engine in (first, second):
        engine.backward(loss_of(engine, *rows()), last=True)
        engine.step(0.5)
    assert all(torch.equal(tensor, first.tensors()[name]) for name, tensor in second.tensors().items())
