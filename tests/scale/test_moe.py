"""vLLM and the release of transformers beside it read a policy with experts, and agree on log-probabilities."""

import pytest
import torch
from rounding import FORWARD, assert_rounded

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.save import save_policy, save_weights
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.torch_sampler import TorchSampler
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.rollout import SamplerConfig

ARCH = Architecture(
    vocab_size=112,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=2,  # heads of 32: vLLM's CPU kernels support no smaller ones
    num_key_value_heads=1,
    max_position_embeddings=256,
    initializer_range=0.12,
    experts=ExpertsConfig(count=8, chosen=2, intermediate_size=32),
)


def policy_of(seed):
    return Decoder(ARCH).initialise(torch_stream(seed, "initialise"))


def rows():
    return torch.randint(5, 100, (8, 24), generator=torch_stream(0, "rows")).tolist()


@pytest.fixture(scope="module")
def start(tmp_path_factory, tokenizer):
    folder = tmp_path_factory.mktemp("start")
    save_policy(folder, policy_of(0), tokenizer)
    return folder


def gap(scores, policy):
    expected = torch.tensor(TorchSampler(policy).score(rows()))
    return (torch.tensor(scores) - expected).abs().max().item()


def test_vllm_gives_experts_the_same_odds_also_after_new_weights(start, tmp_path):
    engine = make_sampler(SamplerConfig(kind="vllm"), start, "float32")
    try:
        assert gap(engine.score(rows()), policy_of(0)) < 1e-4
        later = policy_of(1)
        assert gap(engine.score(rows()), later) > 0.1
        (tmp_path / "later").mkdir()
        save_weights(tmp_path / "later", later.state_dict(), start)
        engine.load(tmp_path / "later")
        assert gap(engine.score(rows()), later) < 1e-4
    finally:
        engine.close()


def test_this_release_of_transformers_reads_it(start):
    from transformers import AutoModelForCausalLM

    theirs, ours = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32), policy_of(0)
    ids = torch.tensor(rows())
    with torch.no_grad():
        ours = ours.logits(ours.hidden(ids))
        assert_rounded(ours, theirs(ids, use_cache=False).logits, FORWARD)
