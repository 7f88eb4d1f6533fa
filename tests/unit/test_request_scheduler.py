"""The request scheduler gives the completions of the torch sampler; vLLM's process is restarted, killed, and ended."""

import dataclasses
import signal
import subprocess
import sys
import time
from typing import ClassVar

import psutil
import pytest
import torch
from rounding import FORWARD, assert_rounded

from smoothgates.errors import BadInput, TryAgain
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.text import compact_text
from smoothgates.rollout import vllm_process, vllm_sampler
from smoothgates.rollout.request_scheduler import RequestOutput
from smoothgates.rollout.sampler import SamplingParameters, Tools
from smoothgates.rollout.torch_sampler import sample
from smoothgates.rollout.vllm_process import Died, VllmProcess
from smoothgates.seeds import torch_stream
from smoothgates.tasks.task import Prompt


class Greedy:
    """Stands in for vLLM's process: takes the most likely token, and dies after a given number of answers."""

    lives: ClassVar[list[int]] = []
    """Answers of each process before it dies."""
    policy: ClassVar[Decoder | None] = None

    def __init__(self, *_):
        self.open, self.left = {}, Greedy.lives.pop(0) if Greedy.lives else 10**6
        if self.left < 0:
            raise Died("stillborn")

    def ask(self, name, *arguments):
        self.left -= 1
        if self.left < 0:
            raise Died("killed")
        return getattr(self, name)(*arguments)

    def forget(self):
        self.open = {}

    @torch.no_grad()
    def advance(self, requests, stops):
        self.open |= {request.row: (request, [], []) for request in requests}
        while True:
            ended = []
            for row, (request, ids, logp) in self.open.items():
                found = self.policy.logits(self.policy.hidden(torch.tensor([request.ids + ids]))[0, -1]).log_softmax(-1)
                ids.append(int(found.argmax()))
                logp.append(float(found.max()))
                if ids[-1] in stops or len(ids) == request.limit:
                    ended.append(RequestOutput(row, ids, logp))
            if ended:
                for output in ended:
                    del self.open[output.row]
                return ended


def tools():
    """Tools that reply to a row twice, then end it, and let some turns continue, independent of the other rows."""
    answered: dict[int, int] = {}

    def one(row, turn):
        if sum(turn) % 3 == 0:
            return []
        answered[row] = answered.get(row, 0) + 1
        return None if answered[row] > 2 else [50 + row, 60, 61]

    def respond(rows, turns):
        return [one(row, turn) for row, turn in zip(rows, turns, strict=True)]

    return Tools(respond, torch.arange(112) % 4 == 0, room=6)


@pytest.fixture
def policy(policy):
    """A policy with varied most likely tokens, so that tools are called."""
    with torch.no_grad():
        for parameter in policy.model.layers.parameters():
            parameter *= 4
    return policy


GREEDY = SamplingParameters(samples=2, max_new_tokens=12, ends=(3, 7), temperature=0.0)


@pytest.fixture
def prompts(problems, tokenizer):
    return compact_text(tokenizer).prompts(Prompt(), [p.question for p in problems[:12]])


@pytest.fixture
def sampler(policy, tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 256}')
    monkeypatch.setattr(vllm_sampler, "VllmProcess", Greedy)
    monkeypatch.setattr(Greedy, "policy", policy)
    monkeypatch.setattr(Greedy, "lives", [])
    return lambda: vllm_sampler.VllmSampler(tmp_path, 0.4, "float32")


def same(found, expected):
    for name in ("ids", "mask", "lengths", "truncated"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    assert_rounded(found.logp, expected.logp, FORWARD)


@pytest.mark.parametrize("with_tools", [False, True])
def test_completions_are_those_of_the_torch_sampler(with_tools, policy, prompts, sampler):
    expected = sample(policy, prompts, GREEDY, torch_stream(0, "s"), tools() if with_tools else None)
    same(sampler().sample(prompts, GREEDY, torch_stream(0, "s"), tools() if with_tools else None), expected)
    assert expected.truncated.any()
    assert not expected.truncated.all()
    assert (expected.lengths != expected.mask.sum(1)).any() == with_tools


@pytest.mark.parametrize("lives", [[1], [3], [6, 2, 0]])
def test_the_death_of_vllm_does_not_change_the_completions(lives, policy, prompts, sampler, capfd):
    expected = sample(policy, prompts, GREEDY, torch_stream(0, "s"), tools())
    Greedy.lives[:] = lives
    same(sampler().sample(prompts, GREEDY, torch_stream(0, "s"), tools()), expected)
    assert capfd.readouterr().err.count("vLLM died (killed), restarting") == len(lives)


def test_a_process_that_keeps_dying_stops_the_run(prompts, sampler):
    Greedy.lives[:] = [2, 0, -1, 0]
    with pytest.raises(TryAgain, match="died 4 times in a row"):
        sampler().sample(prompts, GREEDY, torch_stream(0, "s"))


def test_a_process_that_does_not_start_is_bad_input(sampler):
    Greedy.lives[:] = [-1]
    with pytest.raises(BadInput, match=r"does not start with memory 0\.4 and .*: stillborn"):
        sampler()


def test_prompts_that_do_not_fit_are_refused_as_by_the_torch_sampler(policy, prompts, sampler):
    what = (prompts, SamplingParameters(1, 250, (3,)), torch_stream(0, "s"))
    with pytest.raises(BadInput) as theirs:
        sample(policy, *what)
    with pytest.raises(BadInput) as ours:
        sampler().sample(*what)
    assert str(ours.value) == str(theirs.value)


def test_each_row_and_each_turn_has_its_own_seed(prompts, sampler, monkeypatch):
    asked = []
    monkeypatch.setattr(Greedy, "advance", lambda self, due, *how: asked.extend(due) or real(self, due, *how))
    sampler().sample(prompts, GREEDY, torch_stream(0, "s"), tools())
    first = asked.copy()
    assert len({request.seed for request in first}) == len(first) > 2 * len(prompts)
    asked.clear()
    sampler().sample(prompts, GREEDY, torch_stream(0, "s"), tools())
    assert asked == first


def test_the_request_of_a_greedy_completion_asks_for_temperature_0(prompts, sampler, monkeypatch):
    asked = []
    monkeypatch.setattr(Greedy, "advance", lambda self, due, *how: asked.extend(due) or real(self, due, *how))
    parameters = dataclasses.replace(GREEDY, temperature=0.5, greedy=True)
    found = sampler().sample(prompts, parameters, torch_stream(0, "s"), tools())
    assert len(found.ids) == 3 * len(prompts)
    assert [request.ids for request in asked[:6]] == [prompts[0]] * 3 + [prompts[1]] * 3
    assert len(asked) > len(found.ids)
    assert all(request.temperature == (0.0 if request.row % 3 == 2 else 0.5) for request in asked)


ECHO = """
from multiprocessing.connection import Connection
pipe = Connection({})
while True:
    message = pipe.recv()
    if message[0] != "forget":
        pipe.send(message)
"""


@pytest.fixture
def process(monkeypatch):
    """A child in place of vLLM's. It answers a call with the call, and `forget` never."""
    monkeypatch.setattr(vllm_process, "find_spec", lambda name: name)
    monkeypatch.setattr(vllm_process, "MAIN", ECHO)
    process = VllmProcess()
    yield process
    process.close()


def test_the_trainers_cached_gpu_memory_is_released_before_each_call(process, monkeypatch):
    """Otherwise vLLM would find no room when it wakes."""
    seen, send = [], process.pipe.send
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: seen.append("released"))
    monkeypatch.setattr(process.pipe, "send", lambda message: seen.append("sent") or send(message))
    assert process.ask("load", "folder") == ("load", ("folder",))
    assert seen == ["released", "sent"]


def test_a_process_that_does_not_answer_is_killed(process, monkeypatch):
    monkeypatch.setattr(vllm_process, "PATIENCE", 0.05)
    with pytest.raises(Died, match=r"no answer to forget in 0\.05 seconds"):
        process.ask("forget")
    assert process.process.returncode == -signal.SIGKILL


real = Greedy.advance

ORPHAN = """
import os, subprocess, sys
from multiprocessing import Pipe
from smoothgates.rollout.vllm_process import MAIN
pipe, theirs = Pipe()
child = [sys.executable, "-c", MAIN.format(theirs.fileno())]
process = subprocess.Popen(child, pass_fds=[theirs.fileno()], stdin=subprocess.PIPE)
print(process.pid, flush=True)
sys.stdin.read()
"""


def test_vllms_process_ends_with_its_parent():
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid):
    """Whether a process runs. A zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
