"""The compact decoder against transformers' Qwen2; policy folders; the tokenizer."""

import dataclasses
import json
import re
from functools import cache

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rounding import FORWARD, assert_gradients_rounded, assert_rounded

from smoothgates.errors import BadInput
from smoothgates.io.files import write_json
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.policy.config import architecture_of
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.load import load_policy
from smoothgates.policy.logprob import completion_logprobs
from smoothgates.policy.manifest import verified_folder
from smoothgates.policy.save import save_policy
from smoothgates.policy.start import random_policy
from smoothgates.policy.text import compact_text
from smoothgates.policy.tokenizer import SPECIAL, build_tokenizer
from smoothgates.seeds import python_stream, torch_stream
from smoothgates.study.loader import load_study
from smoothgates.tasks import load_task
from smoothgates.tasks.tags import MARKERS
from smoothgates.tasks.task import Prompt


@pytest.fixture
def folder(tmp_path, tokenizer, policy):
    folder = tmp_path / "weights"
    save_policy(folder, policy, tokenizer)
    return folder


def test_the_laptop_policy_has_106k_parameters(policy):
    assert sum(p.numel() for p in policy.parameters()) == 106_048


def test_logits_equal_transformers(folder, policy):
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.randint(0, policy.arch.vocab_size, (5, 40), generator=torch_stream(0, "ids"))
    with torch.no_grad():
        ours = policy.logits(policy.hidden(ids))
        assert_rounded(ours, theirs(ids, use_cache=False).logits, FORWARD)


def test_gradients_equal_transformers(folder, policy):
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    # Without the padding token, whose embedding gradient transformers drops.
    ids = torch.randint(1, policy.arch.vocab_size, (3, 20), generator=torch_stream(1, "ids"))
    ours = torch.autograd.grad(policy.logits(policy.hidden(ids)).log_softmax(-1).square().mean(), policy.parameters())
    theirs(ids, use_cache=False).logits.log_softmax(-1).square().mean().backward()
    named = dict(theirs.named_parameters())
    assert_gradients_rounded(ours, [named[name].grad for name, _ in policy.named_parameters()])


def test_a_saved_folder_is_loaded_bit_for_bit(folder, policy):
    again, text = load_policy(folder)
    assert again.arch == policy.arch
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert text.tokenizer.get_vocab_size() == policy.arch.vocab_size


def test_transformers_reads_the_tokenizer_and_its_template(folder, tokenizer):
    from transformers import PreTrainedTokenizerFast

    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    question = "Eve has 10 pens, buys 2 bags of 5 and loses 8. How many now?"
    template = theirs.apply_chat_template([{"role": "user", "content": question}], return_dict=False)
    assert template == compact_text(tokenizer).prompts(Prompt(), [question])[0]
    assert theirs.decode(tokenizer.encode(question).ids) == question


def test_decoding_restores_encoded_texts(tokenizer, word_problems):
    stream = word_problems.generate(python_stream(3, "problems"))
    for _ in range(500):
        problem = next(stream)
        for text in (problem.question, problem.extra["solution"]):
            ids = tokenizer.encode(text).ids
            assert tokenizer.decode(ids) == text
            assert tokenizer.encode(tokenizer.decode(ids)).ids == ids


def test_an_unknown_word_is_an_error_and_not_padding(tokenizer):
    with pytest.raises(Exception, match="UNK"):
        tokenizer.encode("Zebra")


def test_a_vocabulary_too_small_is_refused():
    with pytest.raises(BadInput, match=r"architecture.vocab_size: expected at least \d+ for the task's texts, got 4"):
        build_tokenizer(["one two three"], 4)
    with pytest.raises(BadInput, match=r"architecture.vocab_size: expected at least \d+ for bytes, got 200"):
        build_tokenizer(["one two three"], 200, "bytes")


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("a<eos> <think>b<user>")
@settings(max_examples=200, deadline=None)
def test_bytes_encode_any_text(text):
    """`decode` keeps markers and drops the special tokens that a text contains."""
    tokenizer = byte_tokenizer()
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids) == re.sub("|".join(SPECIAL), "", text)
    assert max(ids, default=0) < 400


@cache
def byte_tokenizer():
    return build_tokenizer(["Where is the other one? There, where the others are.", r"\boxed{1}"], 400, "bytes")


def test_learning_to_spell_is_deterministic():
    texts = [f"{a} and {b}" for a in ("one", "two", "three") for b in ("ten", "tens", "tend")]
    assert build_tokenizer(texts, 400, "bytes").to_str() == build_tokenizer(texts[::-1], 400, "bytes").to_str()


@pytest.mark.parametrize("kind", ["words", "bytes"])
def test_markers_are_single_tokens_that_decode_keeps(kind):
    tokenizer = build_tokenizer(["a b"], 400, kind)
    for marker in MARKERS:
        ids = tokenizer.encode(f"a{marker} b").ids
        assert tokenizer.token_to_id(marker) in ids
        assert tokenizer.decode(ids) == f"a{marker} b"


@pytest.mark.parametrize("kind", ["words", "bytes"])
def test_a_task_may_define_markers(kind):
    tokenizer = build_tokenizer(["a b"], 400, kind, markers=("<code>", "</code>"))
    assert tokenizer.decode([*range(len(SPECIAL), len(SPECIAL) + 2)]) == "<code></code>"
    assert tokenizer.token_to_id("<think>") is None


def test_the_tokenizer_of_a_run_has_its_tasks_markers(monkeypatch, problems):
    """The markers come from the task's own folder, and their ids follow the special tokens."""
    spec = load_study("laptop").policy_spec("math", 0, "warm_start")
    _, tokenizer = random_policy(spec, None, problems[:20])
    assert tokenizer.token_to_id(load_task("math").markers[0]) == len(SPECIAL)
    coding = dataclasses.replace(load_task("math"), markers=("<code>", "</code>"))
    monkeypatch.setattr("smoothgates.policy.start.load_task", lambda name: coding)
    _, tokenizer = random_policy(spec, None, problems[:20])
    assert tokenizer.token_to_id("<code>") == len(SPECIAL)


def test_damaged_weights_are_named_with_both_digests(tmp_path, policy, tokenizer):
    records = save_policy(tmp_path / "weights", policy, tokenizer)
    manifest = tmp_path / "model.json"
    run = {"task": "math", "regime_name": "control", "method_name": "warm_start", "seed": 0}
    facts = {"spec": run, "status": "finished", "rollouts": 0, "checkpoints": []}
    named = {"final": "weights", "folders": {"weights": records}}
    write_json(manifest, {"schema": ModelManifest.SCHEMA, "schema_version": 1, **facts, **named})
    load_policy(verified_folder(manifest))
    weights = tmp_path / "weights" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BadInput, match=r"model\.safetensors: damaged: sha256 is [0-9a-f]{64}, its manifest says"):
        load_policy(verified_folder(manifest))


def test_the_saved_architecture_is_the_studys(folder):
    config = json.loads((folder / "config.json").read_text())
    assert architecture_of(config, "it") == load_study("laptop").config.architecture


def test_padding_does_not_change_log_probabilities(policy):
    ids = torch.randint(5, 60, (4, 30), generator=torch_stream(2, "ids"))
    starts = torch.tensor([10, 12, 8, 10])
    logp, entropy = completion_logprobs(policy, ids, starts, 15)
    padded = torch.cat([ids, torch.zeros(4, 9, dtype=torch.long)], dim=1)
    again, _ = completion_logprobs(policy, padded, starts, 15)
    assert_rounded(logp, again, FORWARD)
    full = policy.logits(policy.hidden(ids)).log_softmax(-1)
    for row, start in enumerate(starts.tolist()):
        expected = full[row, start - 1 : start + 14].gather(1, ids[row, start : start + 15].unsqueeze(1)).squeeze(1)
        assert_rounded(logp[row], expected, FORWARD)
    assert (entropy > 0).all()
    assert (entropy < torch.log(torch.tensor(112.0))).all()


def test_initialisation_follows_its_seed():
    arch = load_study("laptop").config.architecture
    embeddings = [Decoder(arch).initialise(torch_stream(seed, "x")).model.embed_tokens.weight for seed in (0, 0, 1)]
    assert torch.equal(embeddings[0], embeddings[1])
    assert not torch.equal(embeddings[0], embeddings[2])
