"""vLLM agrees with the torch sampler on tokens and log-probabilities. One vLLM process serves most tests."""

import itertools
import json
import shutil
from contextlib import closing

import psutil
import pytest
import torch
from rounding import APART

from smoothgates.distributed.ranks import MEETING, Ranks
from smoothgates.errors import BadInput
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.save import save_policy
from smoothgates.policy.text import compact_text
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.sampler import SamplingParameters, Tools
from smoothgates.rollout.task_setup import load_task_setup
from smoothgates.rollout.torch_sampler import TorchSampler, sample
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.optimizer import Adam
from smoothgates.specs.rollout import Protocol, SamplerConfig
from smoothgates.specs.train import Regime, Sampling, TrainSpec
from smoothgates.study import load_methods
from smoothgates.tasks.task import Prompt, Verdict, each
from smoothgates.train.context import RunContext
from smoothgates.train.engine.torch_engine import TorchEngine
from smoothgates.train.loop import train
from smoothgates.train.run.state import State
from smoothgates.train.sync import make_sync

ARCH = Architecture(
    vocab_size=112,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=2,  # heads of 32: vLLM's CPU kernels support no smaller ones
    num_key_value_heads=1,
    max_position_embeddings=256,
    initializer_range=0.12,
)
ENDS = (3, 7, 11, 15, 19, 23, 27, 31)
PROTOCOL = Protocol(reward="exact", max_new_tokens=12)


@pytest.fixture
def policy():
    return Decoder(ARCH).initialise(torch_stream(0, "initialise"))


@pytest.fixture(scope="module")
def start(tmp_path_factory, tokenizer):
    """The folder of the policy, with sampling settings that some models recommend for chat."""
    folder = tmp_path_factory.mktemp("start")
    save_policy(folder, Decoder(ARCH).initialise(torch_stream(0, "initialise")), tokenizer)
    recommended = {"do_sample": True, "top_k": 20, "top_p": 0.8, "temperature": 0.7, "repetition_penalty": 1.05}
    (folder / "generation_config.json").write_text(json.dumps({**recommended, "eos_token_id": 5}))
    return folder


@pytest.fixture(scope="module")
def engine(start):
    """vLLM, started by one of several ranks. It must not see their environment variables."""
    with pytest.MonkeyPatch.context() as patch:
        others = {"RANK": "1", "WORLD_SIZE": "2", MEETING: "tcp://203.0.113.1:9", "GLOO_SOCKET_IFNAME": "eth0"}
        for name, value in others.items():
            patch.setenv(name, value)
        sampler = make_sampler(SamplerConfig(kind="vllm"), start, "float32")
    yield sampler
    sampler.close()


def test_vllm_listens_to_no_other_machine(engine):
    open_ = psutil.Process(engine.process.process.pid).net_connections("all")
    assert {each.laddr[0] for each in open_ if each.status == psutil.CONN_LISTEN} <= {"127.0.0.1"}


@pytest.fixture
def sampler(engine, start):
    """The sampler with the weights of the start."""
    if engine.folder != start:
        engine.load(start)
    return engine


@pytest.fixture
def prompts(problems, tokenizer):
    return compact_text(tokenizer).prompts(Prompt(), [p.question for p in problems[:12]])


@torch.no_grad()
def trainers(policy, row):
    logp = policy.logits(policy.hidden(torch.tensor([row[:-1]]))).log_softmax(-1)[0]
    return logp.gather(1, torch.tensor(row[1:]).unsqueeze(1)).squeeze(1)


def tools():
    """Tools that reply to a row twice and then end it. Some turns continue, whatever the other rows do."""
    answered: dict[int, int] = {}

    def one(row, turn):
        if sum(turn) % 3 == 0:
            return []
        answered[row] = answered.get(row, 0) + 1
        return None if answered[row] > 2 else [50 + row % 7, 60, 61]

    def respond(rows, turns):
        return [one(row, turn) for row, turn in zip(rows, turns, strict=True)]

    return Tools(respond, torch.arange(112) % 4 == 0, room=6)


def same(found, expected, tolerance):
    for name in ("ids", "mask", "lengths", "truncated"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    assert torch.allclose(found.logp, expected.logp, rtol=0, atol=tolerance)


def test_log_probabilities_are_the_trainers(sampler, policy, prompts):
    found = sampler.sample(prompts, SamplingParameters(8, 20, (1,)), torch_stream(0, "s"))
    assert found.entropy is None
    for row, length in enumerate(found.lengths.tolist()):
        prompt = prompts[row // 8]
        expected = trainers(policy, prompt + found.ids[row, :length].tolist())[len(prompt) - 1 :]
        assert torch.allclose(found.logp[row, :length], expected, rtol=0, atol=APART)
    for row, scored in zip(prompts, sampler.score(prompts), strict=True):
        assert torch.allclose(torch.tensor(scored), trainers(policy, row), rtol=0, atol=APART)


@pytest.mark.parametrize("with_tools", [False, True])
def test_greedy_completions_are_the_torch_samplers(with_tools, sampler, policy, prompts):
    """Ids, replies, masks, lengths and truncation, for any division into turns."""
    parameters = SamplingParameters(2, 12, ENDS, temperature=0.0, greedy=True)
    expected = sample(policy, prompts, parameters, torch_stream(0, "s"), tools() if with_tools else None)
    found = sampler.sample(prompts, parameters, torch_stream(0, "s"), tools() if with_tools else None)
    same(found, expected, APART)
    assert len({tuple(row) for row in expected.ids.tolist()}) > 8
    assert expected.truncated.any()
    assert not expected.truncated.all()
    assert (expected.lengths != expected.mask.sum(1)).any() == with_tools


def test_sampling_is_unrestricted_and_follows_the_distribution(sampler, policy, prompts):
    """4,000 first tokens against their probabilities. The settings in generation_config.json would show."""
    found = sampler.sample(prompts[:1], SamplingParameters(4000, 1, (1,)), torch_stream(0, "s"))
    with torch.no_grad():
        p = policy.logits(policy.hidden(torch.tensor(prompts[:1])))[0, -1].softmax(-1).double()
    counts = torch.bincount(found.ids[:, 0], minlength=112).double()
    often = 4000 * p >= 5  # chi-square needs this many counts in a bin; the rest is one bin
    counts, expected = ([*x[often], x[~often].sum()] for x in (counts, 4000 * p))
    assert len(counts) > 60
    chi_square = sum((c - e) ** 2 / e for c, e in zip(counts, expected, strict=True))
    freedom = len(counts) - 1
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5
    assert all(c > 0 for c in counts)


def test_whole_completions_are_as_likely_as_the_torch_samplers(sampler, policy, prompts):
    """Their mean log-probability, length and number of tools' replies, within five standard errors."""

    def facts(found):
        per_row = torch.stack([found.logp.sum(1), found.lengths.float(), (found.lengths - found.mask.sum(1)).float()])
        return per_row.mean(1), per_row.var(1) / per_row.shape[1]

    what = (prompts[:1], SamplingParameters(1000, 12, ENDS))
    ours, our_error = facts(sampler.sample(*what, torch_stream(0, "s"), tools()))
    theirs, their_error = facts(sample(policy, *what, torch_stream(1, "s"), tools()))
    assert ((ours - theirs).abs() < 5 * (our_error + their_error).sqrt()).all()
    assert (our_error > 0).all()


def test_same_seed_same_bits_whatever_was_sampled_before(sampler, prompts):
    what = (prompts, SamplingParameters(4, 20, (1,)))
    first = sampler.sample(*what, torch_stream(0, "s"))
    other = sampler.sample(*what, torch_stream(1, "s"))
    same(sampler.sample(*what, torch_stream(0, "s")), first, 0)
    assert not torch.equal(first.ids[:, :5], other.ids[:, :5])
    assert len({tuple(row) for row in first.ids.tolist()}) > 40


def test_rows_end_at_the_end_token_or_at_the_limit(sampler, prompts):
    found = sampler.sample(prompts, SamplingParameters(8, 20, ENDS), torch_stream(0, "s"))
    assert 0 < found.truncated.float().mean() < 1
    for row, length, cut in zip(found.ids.tolist(), found.lengths.tolist(), found.truncated, strict=True):
        assert not set(ENDS).intersection(row[: length - 1])
        assert (row[length - 1] in ENDS) == (not cut)
        assert length == 20 or not cut


def test_prompts_that_do_not_fit_are_refused(sampler, prompts):
    with pytest.raises(BadInput, match=r"architecture\.max_position_embeddings: 256 is too few for prompts of up to"):
        sampler.sample(prompts, SamplingParameters(1, 250, (1,)), torch_stream(0, "s"))


def run(policy, sampler, tokenizer, problems, start, folder):
    """Five rollouts with an update each, by the loop itself."""
    rewards = itertools.cycle([1.0, 0.0, 0.0])
    judge = each(lambda text, example, cut: Verdict(next(rewards), {}, None, "wrong"))
    task_setup = load_task_setup("math", PROTOCOL)
    task_setup = type(task_setup)(task_setup.prompt, judge, task_setup.environment, PROTOCOL)
    spec = TrainSpec(
        task="math",
        regime_name="test",
        method_name="grpo",
        seed=0,
        method=load_methods("config/methods.yaml")["grpo"],
        regime=Regime(rollouts=5, minibatches=1, optimizer=Adam(lr=1e-3)),
        protocol=PROTOCOL,
        sampling=Sampling(prompts=4, group=4),
        checkpoint_every=1,
    )
    engine = TorchEngine(policy, spec.engine, spec.regime.optimizer, Ranks())
    state = State.first(engine, spec)

    def new_folder():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    checked = compact_text(tokenizer).prompts(Prompt(), [p.question for p in problems[:4]])
    sync = make_sync(engine, sampler, "float32", checked, new_folder, start)
    train(state, RunContext(spec, sampler, compact_text(tokenizer), task_setup, problems, sync))
    sync(state.history.steps)
    return state.history.updates


def test_updates_reach_the_sampler(sampler, policy, tokenizer, problems, prompts, start, tmp_path):
    """Five times: otherwise the check of the weights would stop the run. The gap stays at rounding."""
    before = sampler.score(prompts)
    updates = run(policy, sampler, tokenizer, problems, start, tmp_path / "weights")
    assert len(updates) == 5
    assert all(row["sampler_gap"] < 1e-4 for row in updates)
    after = sampler.score(prompts)
    assert max(abs(a - b) for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True)) > 0.01
    for row, scored in zip(prompts, after, strict=True):
        assert torch.allclose(torch.tensor(scored), trainers(policy, row), rtol=0, atol=APART)


def test_a_reload_that_does_nothing_stops_the_run(sampler, policy, tokenizer, problems, start, tmp_path, monkeypatch):
    monkeypatch.setattr(sampler, "load", lambda folder: None)
    with pytest.raises(AssertionError, match="the sampler of rank 0 does not have the trainer's weights"):
        run(policy, sampler, tokenizer, problems, start, tmp_path / "weights")


def test_a_reload_with_a_warm_prefix_cache_forgets_it(sampler, policy, start, tokenizer, tmp_path):
    """Keys and values of the old weights would change the new policy's completions."""
    long = torch.randint(5, 60, (1, 200), generator=torch_stream(0, "long")).tolist()
    sampler.sample(long, SamplingParameters(2, 8, (1,)), torch_stream(0, "s"))
    with torch.no_grad():
        policy.model.layers[0].self_attn.v_proj.weight.mul_(-1)
    save_policy(tmp_path, policy, tokenizer)
    sampler.load(tmp_path)
    what = (long, SamplingParameters(2, 8, (1,), temperature=0.0), torch_stream(0, "s"))
    same(sampler.sample(*what), sample(policy, *what), APART)


def test_a_reload_renews_experts_too(tokenizer, prompts, tmp_path):
    """On CPUs vLLM 0.32 alone keeps the old experts and the old output matrix."""
    experts = ExpertsConfig(count=8, chosen=2, intermediate_size=64)
    policy = Decoder(ARCH.model_copy(update={"experts": experts})).initialise(torch_stream(0, "initialise"))
    folders = [tmp_path / "start", tmp_path / "next"]
    save_policy(folders[0], policy, tokenizer)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch_stream(1, "update"))
    save_policy(folders[1], policy, tokenizer)
    with closing(make_sampler(SamplerConfig(kind="vllm"), folders[0], "float32")) as sampler:
        sampler.load(folders[1])
        for scored, expected in zip(sampler.score(prompts), TorchSampler(policy).score(prompts), strict=True):
            assert scored == pytest.approx(expected, abs=APART)


class Deadly:
    """A pipe to a process that is killed while the n-th answer is pending."""

    def __init__(self, process, n):
        self.process, self.pipe, self.left = process, process.pipe, n
        process.pipe = self

    def send(self, message):
        self.pipe.send(message)

    def poll(self, seconds):
        self.left -= 1
        if self.left == 0:
            self.process.process.kill()
            self.process.process.wait()
        return self.pipe.poll(seconds)

    def recv(self):
        return self.pipe.recv()

    def close(self):
        self.pipe.close()


def test_a_process_killed_in_a_rollout_changes_nothing(sampler, policy, tokenizer, prompts, tmp_path, capfd):
    """It restarts with the weights that were loaded last, and gives the bits of an undisturbed rollout."""
    with torch.no_grad():
        policy.model.norm.weight.mul_(1.1)
    save_policy(tmp_path, policy, tokenizer)
    sampler.load(tmp_path)
    what = (prompts, SamplingParameters(8, 20, ENDS))
    expected = sampler.sample(*what, torch_stream(0, "s"), tools())
    killed = sampler.process
    Deadly(killed, 8)
    same(sampler.sample(*what, torch_stream(0, "s"), tools()), expected, 0)
    assert sampler.process is not killed
    assert "vLLM died (killed by SIGKILL), restarting" in capfd.readouterr().err
    same(greedy(sampler, prompts), greedy(TorchSampler(policy), prompts), APART)


def greedy(sampler, prompts):
    return sampler.sample(prompts, SamplingParameters(1, 8, (1,), temperature=0.0), torch_stream(0, "s"))


def test_a_policy_that_vllm_cannot_run_is_bad_input(tokenizer, tmp_path):
    """Heads of 16 are too small for its kernels: one line at the start says so."""
    save_policy(tmp_path, Decoder(ARCH.model_copy(update={"num_attention_heads": 4})), tokenizer)
    with pytest.raises(BadInput, match=r"does not start with memory 0\.4 .* head_dim=16"):
        make_sampler(SamplerConfig(kind="vllm"), tmp_path, "float32")
