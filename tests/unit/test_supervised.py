"""Supervised training: what Muon does to a matrix and to a policy, and what a phase learns."""

import copy
import random
from itertools import islice

import pytest
import torch

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.optimizer import Adam, Muon
from smoothgates.specs.supervised import SupervisedPhase
from smoothgates.tasks import load_task
from smoothgates.train import muon
from smoothgates.train.optimizer import AdamW
from smoothgates.train.supervised import Demonstrations, train_supervised

ARCH = Architecture(
    vocab_size=112,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    initializer_range=0.05,
)
EXPERTS = ARCH.model_copy(update={"experts": ExpertsConfig(count=4, chosen=2, intermediate_size=16)})
PHASE = SupervisedPhase(steps=40, optimizer=Adam(lr=6e-3, warmup=5), matrices=Muon(lr=0.02))


def policy_of(arch: Architecture) -> Decoder:
    return Decoder(arch).initialise(torch.Generator().manual_seed(0))


def demonstrations() -> Demonstrations:
    generator = load_task("math").generators["word_problems"]
    examples = list(islice(generator.generate(random.Random(0)), 500))
    texts = [text for e in examples for text in (e.question, generator.careful(e)[0][0])]
    return Demonstrations(build_tokenizer(texts, ARCH.vocab_size), generator, examples)


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)])
def test_an_orthogonalised_matrix_keeps_its_singular_vectors_and_evens_out_the_values(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = muon.orthogonal(matrices)
    u, values, vt = torch.linalg.svd(matrices, full_matrices=False)
    middle = u.mT @ found @ vt.mT
    assert torch.allclose(middle, torch.diag_embed(middle.diagonal(dim1=1, dim2=2)), atol=1e-9)
    even = middle.diagonal(dim1=1, dim2=2)[values > 0.02 * matrices.norm(dim=(1, 2)).unsqueeze(1)]
    assert 0.6 < even.min() < even.max() < 1.3


def test_the_scale_of_a_gradient_does_not_matter():
    matrices = torch.randn(2, 8, 12, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(muon.orthogonal(matrices), muon.orthogonal(1e-3 * matrices), atol=1e-3)


@pytest.mark.parametrize("arch", [ARCH, EXPERTS])
def test_matrices_of_the_layers_take_muons_steps_and_the_rest_takes_adamws(arch):
    by_muon = policy_of(arch)
    by_adamw, start = copy.deepcopy(by_muon), copy.deepcopy(by_muon)
    for policy, optimizer in (
        (by_muon, muon.Muon(by_muon, PHASE)),
        (by_adamw, AdamW(by_adamw, PHASE.optimizer.model_copy(update={"grad_clip": 1e9}))),
    ):
        loss = policy.logits(policy.hidden(torch.arange(40).view(2, 20))).logsumexp(-1).sum()
        loss = loss * 1e-3  # small enough not to be clipped
        gradients, _ = optimizer.gradients(loss)
        optimizer.step(gradients, 0.5)
    before, other = dict(start.named_parameters()), dict(by_adamw.named_parameters())
    for name, parameter in by_muon.named_parameters():
        moved = (parameter - before[name]).detach()
        if ".layers." in name and parameter.dim() > 1:
            scale = 0.5 * PHASE.matrices.lr * max(1.0, moved.shape[-2] / moved.shape[-1]) ** 0.5
            assert 0.6 * scale < torch.linalg.matrix_norm(moved, 2).max() < 1.3 * scale, name
        else:
            assert torch.equal(parameter, other[name]), name


@pytest.mark.parametrize("arch", [ARCH, EXPERTS])
def test_with_muon_a_phase_learns_the_same_each_time(arch):
    shown = demonstrations()

    def trained() -> tuple[float, Decoder]:
        policy = policy_of(arch)
        return train_supervised(policy, shown, PHASE, 16, random.Random(0)), policy

    (loss, policy), (again, twin) = trained(), trained()
    assert loss == again < 2.7  # at the start it is log(112) = 4.7
    assert all(map(torch.equal, policy.parameters(), twin.parameters()))
