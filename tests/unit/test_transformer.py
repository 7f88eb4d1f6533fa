"""Published models run by transformers: the compact decoder's numbers, isolated sequences, the names on disk."""

import json
from functools import partial

import pytest
import torch
from rounding import FORWARD, assert_gradients_rounded, assert_rounded, largest, ulps

from smoothgates.errors import BadInput
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.load import load_decoder, load_policy
from smoothgates.policy.logprob import Scorer
from smoothgates.policy.routing import routing
from smoothgates.policy.save import save_policy, save_weights
from smoothgates.policy.tokenizer import build_tokenizer
from smoothgates.policy.transformer import load_transformer
from smoothgates.policy.weights import load_weights, shapes, write_weights
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.sampler import SamplingParameters
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.rollout import SamplerConfig

DENSE = Architecture(
    vocab_size=400,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    initializer_range=0.2,
)
SPARSE = DENSE.model_copy(update={"experts": ExpertsConfig(count=6, chosen=2, intermediate_size=16)})
LENGTHS = [9, 1, 14, 6]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of each kind, with weights large enough for errors to show."""
    root = tmp_path_factory.mktemp("models")
    tokenizer = build_tokenizer(["Where is it?"], DENSE.vocab_size, "bytes")
    for name, arch, tied in (("tied", DENSE, True), ("untied", DENSE, False), ("experts", SPARSE, True)):
        save_policy(root / name, Decoder(arch, tied).initialise(torch_stream(0, name)), tokenizer)
        config = json.loads((root / name / "config.json").read_text())
        (root / name / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": tied}))
    return root


@pytest.fixture(params=["tied", "untied", "experts"])
def folder(folders, request):
    return folders / request.param


def rows(*shape: int) -> torch.Tensor:
    return torch.randint(1, DENSE.vocab_size, shape, generator=torch_stream(0, "ids"))


def changed(folder, tmp_path, **settings):
    """A copy of a folder with changed settings in its config.json."""
    copy = tmp_path / "copy"
    copy.mkdir()
    save_weights(copy, load_weights(folder), like=folder)
    config = json.loads((folder / "config.json").read_text()) | settings
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def scores(policy, packed: bool = False) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Log-probabilities of some completions, and the gradients of their sum by weight."""
    lengths = torch.tensor([8, 3, 5])
    starts = torch.tensor([4, 9, 2])
    logp, _ = Scorer(policy, packed)(rows(3, 14), starts, lengths)
    taken = logp[torch.arange(logp.shape[1]) < lengths.unsqueeze(1)]
    named = dict(policy.named_parameters())
    found = torch.autograd.grad((taken * torch.linspace(-1, 1, len(taken))).sum(), list(named.values()))
    return taken.detach(), [gradient for _, gradient in sorted(zip(named, found, strict=True))]


@pytest.mark.parametrize("packed", [False, True])
def test_log_probabilities_and_gradients_equal_the_compact_decoders(folder, packed):
    ours, theirs = scores(load_decoder(folder), packed), scores(load_transformer(folder), packed)
    assert_rounded(ours[0], theirs[0], FORWARD)
    assert_gradients_rounded(ours[1], theirs[1])


def test_hidden_states_equal_the_compact_decoders_at_all_and_at_selected_positions(folder):
    ours, theirs, ids = load_decoder(folder), load_transformer(folder), rows(3, 12)
    with torch.no_grad():
        assert_rounded(ours.hidden(ids), theirs.hidden(ids), FORWARD)
        kept = [policy.hidden(ids, lambda x: x[:, 3:5]) for policy in (ours, theirs)]
        assert_rounded(*kept, FORWARD)
        assert torch.equal(ours.head, theirs.head)


@torch.no_grad()
def intrusion(policy, given=None) -> float:
    """How much the states of packed sequences change when the tokens of the first of them do.

    Shapes, kernels and the order of sums stay the same, except in experts: if none are `given`, some get more tokens.
    """
    ids = rows(sum(LENGTHS))
    found = []
    for first in (ids[: LENGTHS[0]], ids[: LENGTHS[0]].flip(0)):
        with routing(policy, len(LENGTHS), max(LENGTHS), given):
            found.append(policy.packed(torch.cat([first, ids[LENGTHS[0] :]]), LENGTHS)[LENGTHS[0] :])
    return (found[0] - found[1]).abs().max().item()


def test_no_bit_of_a_packed_sequence_depends_on_another(folder):
    """With experts, each must get as many tokens as before: otherwise sums may be computed in another order."""
    policy, given = load_transformer(folder), None
    if policy.sparse_shape[0]:
        given = torch.arange(2, dtype=torch.uint8).expand(len(LENGTHS), max(LENGTHS), *policy.sparse_shape)
    assert intrusion(policy, given) == 0
    with torch.no_grad():
        assert intrusion(policy) <= ulps(FORWARD, largest(policy.packed(rows(sum(LENGTHS)), LENGTHS)))


@pytest.mark.parametrize("leak", [{"use_cache": True}, {"attention_mask": torch.ones(1, sum(LENGTHS))}])
def test_ignored_packing_would_be_detected(folders, leak):
    policy = load_transformer(folders / "tied")
    forward = policy.model.forward
    policy.model.forward = lambda **given: forward(**given | leak)
    assert intrusion(policy) > 1e-3


def test_a_packed_sequence_equals_the_sequence_alone(folder):
    policy, ids = load_transformer(folder), rows(sum(LENGTHS))
    with torch.no_grad():
        packed = policy.packed(ids, LENGTHS).split(LENGTHS)
        for part, states in zip(ids.split(LENGTHS), packed, strict=True):
            assert_rounded(policy.hidden(part.unsqueeze(0))[0], states, FORWARD)


def test_the_state_dict_has_the_names_of_the_folder(folder, tmp_path):
    policy = load_transformer(folder)
    save_weights(tmp_path, policy.state_dict(), like=folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in folder.iterdir())
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    again = load_transformer(folder)
    again.load_state_dict(load_weights(tmp_path))


@pytest.mark.parametrize("packed", [False, True])
def test_gradients_do_not_depend_on_recomputed_activations(folder, packed):
    found = []
    for anew in (False, True):
        policy, passes = load_transformer(folder), []
        if anew:
            policy.checkpoint_gradients()
        policy.model.layers[0].self_attn.register_forward_pre_hook(lambda *_, passes=passes: passes.append(1))
        found.append(scores(policy, packed))
        assert len(passes) == 1 + anew
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.equal(one, other) for one, other in zip(found[0][1], found[1][1], strict=True))


def test_dropout_of_the_config_is_off(folders, tmp_path):
    dropping = changed(folders / "tied", tmp_path, attention_dropout=0.5)
    policy = load_transformer(dropping).train()
    with torch.no_grad():
        assert torch.equal(policy.hidden(rows(2, 9)), load_transformer(folders / "tied").hidden(rows(2, 9)))


def test_weights_are_loaded_in_the_requested_type(folder):
    policy, _ = load_policy(folder, published=True, dtype="bfloat16")
    assert {parameter.dtype for parameter in policy.parameters()} == {torch.bfloat16}
    assert policy.hidden(rows(1, 4)).dtype == torch.bfloat16


def test_a_missing_weight_is_an_error(folders, tmp_path):
    weights = load_weights(folders / "tied")
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_weights(tmp_path, weights, like=folders / "tied")
    with pytest.raises(BadInput, match=r"weights do not match config\.json: model\.layers\.1\.mlp\.up_proj\.weight"):
        load_transformer(tmp_path)


def test_a_weight_of_another_shape_is_refused(folders, tmp_path):
    with pytest.raises(BadInput, match="transformers cannot load it"):
        load_transformer(changed(folders / "tied", tmp_path, intermediate_size=64))


@pytest.mark.parametrize("kind", ["qwen2_of_mine", None])
def test_a_model_that_transformers_does_not_know_is_refused(folders, tmp_path, kind):
    code = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}
    with pytest.raises(BadInput, match=r"config\.json: transformers cannot use it"):
        load_transformer(changed(folders / "tied", tmp_path, model_type=kind, auto_map=code))


class TestRouting:
    """Experts are recorded and prescribed as in the compact decoder."""

    def test_the_routers_choose_like_the_compact_decoders(self, folders):
        noted = []
        for policy in (load_decoder(folders / "experts"), load_transformer(folders / "experts")):
            assert policy.sparse_shape == (2, 2)
            with torch.no_grad(), routing(policy, 3, 14) as choice:
                policy.hidden(rows(3, 14))
            noted.append(choice.sort(-1).values)
        assert torch.equal(*noted)
        assert len(noted[0].unique()) == SPARSE.experts.count

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("anew", [False, True])
    def test_other_experts_can_be_prescribed(self, folders, packed, anew):
        given = torch.randint(6, (3, 14, 2, 1), generator=torch_stream(0, "routes"), dtype=torch.uint8)
        given = torch.cat([given, (given + 1) % 6], dim=-1)
        found = []
        for policy in (load_decoder(folders / "experts"), load_transformer(folders / "experts")):
            if anew:
                policy.checkpoint_gradients()
            free = scores(policy, packed)[0]
            logp, gradients = scores(Prescribed(policy, given), packed)
            found.append((logp, gradients))
            assert (logp - free).abs().max() > 1e-3
        assert_rounded(found[0][0], found[1][0], FORWARD)
        assert_gradients_rounded(found[0][1], found[1][1])

    def test_prescribing_the_routers_choice_changes_no_bit(self, folders):
        policy = load_transformer(folders / "experts")
        with torch.no_grad():
            with routing(policy, 3, 14) as choice:
                free = policy.hidden(rows(3, 14))
            with routing(policy, 3, 14, choice):
                assert torch.equal(policy.hidden(rows(3, 14)), free)

    def test_a_policy_without_experts_records_no_routes(self, folders):
        assert load_transformer(folders / "tied").sparse_shape == (0, 0)


class Prescribed(torch.nn.Module):
    """A policy with prescribed experts in its forward passes. Recomputed layers are outside of them."""

    def __init__(self, policy, given):
        super().__init__()
        self.policy, self.given = policy, given

    def named_parameters(self, *_, **__):
        return self.policy.named_parameters()

    @property
    def head(self):
        return self.policy.head

    def hidden(self, ids, keep=None):
        with routing(self.policy, *self.given.shape[:2], self.given):
            return self.policy.hidden(ids, keep)

    def packed(self, ids, lengths):
        with routing(self.policy, *self.given.shape[:2], self.given):
            return self.policy.packed(ids, lengths)


class TestTorchSampler:
    """Beside a published policy, the torch sampler has its own compact decoder."""

    def test_it_samples_from_the_same_distribution(self, folder):
        policy, text = load_policy(folder, published=True)
        sampler = make_sampler(SamplerConfig(), folder, "float32", policy)
        done = sampler.sample([[5, 6, 7]], SamplingParameters(4, 10, text.ends), torch_stream(0, "samples"))
        ids = torch.cat([torch.tensor([[5, 6, 7]]).repeat(4, 1), done.ids], dim=1)
        with torch.no_grad():
            logp, _ = Scorer(policy)(ids, torch.full((4,), 3), done.lengths)
        assert_rounded(logp[done.mask], done.logp[done.mask], FORWARD)

    def test_it_loads_trained_weights(self, folder, tmp_path):
        policy, text = load_policy(folder, published=True)
        sampler = make_sampler(SamplerConfig(), folder, "float32", policy)
        sample = partial(sampler.sample, [[5, 6]], SamplingParameters(8, 10, text.ends))
        before = sample(torch_stream(0, "samples"))
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=torch_stream(1, "noise")), alpha=0.1)
        assert torch.equal(sample(torch_stream(0, "samples")).ids, before.ids)
        save_weights(tmp_path, policy.state_dict(), like=folder)
        sampler.load(tmp_path)
        assert not torch.equal(sample(torch_stream(0, "samples")).ids, before.ids)

    def test_a_tied_matrix_may_be_stored_twice(self, folders, tmp_path):
        twice = load_weights(folders / "tied")
        twice["lm_head.weight"] = twice["model.embed_tokens.weight"].clone()
        save_weights(tmp_path, twice, like=folders / "tied")
        sampler = make_sampler(SamplerConfig(), tmp_path, "float32", load_transformer(tmp_path))
        sampler.load(tmp_path)
        sampler.load(folders / "tied")
        assert sampler.policy.head is sampler.policy.model.embed_tokens.weight

    @pytest.mark.parametrize(
        ("settings", "fault"),
        [
            ({"model_type": "llama"}, "'torch' supports qwen2 and qwen3_moe, .* is llama: set it to 'vllm'"),
            ({"head_dim": 64}, "'torch' does not support .*: its head_dim is 64: set it to 'vllm'"),
            ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6}}, "its rope_type is yarn"),
            ({"use_sliding_window": True}, "its use_sliding_window is True"),
        ],
    )
    def test_unsupported_models_are_refused(self, folders, tmp_path, settings, fault):
        with pytest.raises(BadInput, match=fault):
            make_sampler(SamplerConfig(), changed(folders / "tied", tmp_path, **settings), "float32")

    def test_the_config_of_a_published_model_is_read(self, folders, tmp_path):
        """Qwen2.5's settings: rotary base at the top level, an unused window, defaults left out."""
        settings = {"rope_parameters": None, "rope_theta": 1000000.0, "use_sliding_window": False, "sliding_window": 64}
        copy = changed(folders / "tied", tmp_path, **settings)
        assert load_decoder(copy).arch.rope_theta == 1e6
        with torch.no_grad():
            ours, theirs = load_decoder(copy).hidden(rows(2, 9)), load_transformer(copy).hidden(rows(2, 9))
        assert_rounded(ours, theirs, FORWARD)
        assert (ours - load_decoder(folders / "tied").hidden(rows(2, 9))).abs().max() > 1e-3


class TestShards:
    """Weights in several files."""

    def test_shards_hold_all_weights_and_are_deterministic(self, folder, tmp_path):
        weights, places = load_weights(folder), (tmp_path / "one", tmp_path / "two")
        for place in places:
            place.mkdir()
            write_weights(place, weights, shard=20_000)
        names = sorted(path.name for path in places[0].iterdir())
        assert len(names) > 3
        assert "model.safetensors.index.json" in names
        assert "model.safetensors" not in names
        for name in names:
            assert (places[0] / name).read_bytes() == (places[1] / name).read_bytes()
        again = load_weights(places[0])
        assert again.keys() == weights.keys()
        assert all(torch.equal(tensor, again[name]) for name, tensor in weights.items())
        assert shapes(places[0]) == shapes(folder)

    def test_transformers_reads_them(self, folder, tmp_path):
        save_weights(tmp_path, load_weights(folder), like=folder)
        (tmp_path / "model.safetensors").unlink()
        write_weights(tmp_path, load_weights(folder), shard=20_000)
        with torch.no_grad():
            states = [load_transformer(place).hidden(rows(2, 9)) for place in (folder, tmp_path)]
        assert torch.equal(*states)

    def test_a_missing_shard_is_named(self, folders, tmp_path):
        write_weights(tmp_path, load_weights(folders / "tied"), shard=20_000)
        shard = next(tmp_path.glob("model-00002-*"))
        shard.unlink()
        with pytest.raises(BadInput, match=rf"{shard.name}: no such file"):
            load_weights(tmp_path)


def test_only_weights_and_settings_are_copied(folders, tmp_path):
    like, out = changed(folders / "tied", tmp_path), tmp_path / "out"
    for name in ("pytorch_model.bin", "model.gguf", "modeling_mine.py", "model.safetensors.index.json", "weights.pt"):
        (like / name).write_text("no")
    (like / "original").mkdir()
    (like / "chat_template.jinja").write_text("yes")
    (like / "merges.txt").write_text("yes")
    out.mkdir()
    records = save_weights(out, {"x": torch.ones(2)}, like)
    kept = {path.name for path in (folders / "tied").iterdir()} | {"chat_template.jinja", "merges.txt"}
    assert {record["name"] for record in records} == kept == {path.name for path in out.iterdir()}
