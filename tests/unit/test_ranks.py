"""Ranks agree on what happens next, even if one of them fails or dies."""

import math
import os
import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from safetensors import SafetensorError

from smoothgates.distributed.launch import Launcher, rank_environments
from smoothgates.distributed.message import decode, encode
from smoothgates.distributed.ranks import MEETING, Ranks, begin_group
from smoothgates.errors import BadInput, TryAgain


@pytest.fixture
def two(tmp_path) -> Callable:
    """Returns what a function returns or raises on each of two forked ranks."""

    def two(act: Callable[[Ranks], object]) -> list:
        children = [fork(rank, act, tmp_path) for rank in range(2)]
        for child in children:
            os.waitpid(child, 0)
        return [torch.load(tmp_path / str(rank), weights_only=False) for rank in range(2)]

    return two


def fork(rank: int, act: Callable[[Ranks], object], folder: Path) -> int:
    if child := os.fork():
        return child
    try:
        os.environ.update({"RANK": str(rank), "WORLD_SIZE": "2", MEETING: f"file://{folder}/meeting"})
        forbid_pickles()
        try:
            found = act(Ranks())
        except Exception as error:
            found = (type(error), str(error))
        torch.save(found, folder / str(rank))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def forbid_pickles() -> None:
    """Disable the two functions by which torch's object collectives pickle and unpickle."""
    for name in ("_object_to_tensor", "_tensor_to_object"):
        assert hasattr(torch.distributed.distributed_c10d, name)
        setattr(torch.distributed.distributed_c10d, name, None)


ENDING = """
import atexit, torch.distributed as dist
atexit.register(lambda: print(dist.is_initialized()))  # registered first, called last
from smoothgates.distributed.ranks import Ranks
ranks = Ranks()
ranks.gather(None)  # both have met
with ranks.failing_together():
    raise SystemExit(2)
"""


def test_torchs_threads_are_ended_before_the_process(tmp_path):
    ranks = rank_environments(Launcher(1, 0, f"file://{tmp_path}/meeting"), {}, 2, lambda: 0)
    started = [
        subprocess.Popen([sys.executable, "-c", ENDING], env={**os.environ, **rank}, stdout=subprocess.PIPE, text=True)
        for rank in ranks
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == ["False\n"] * 2
    assert [process.returncode for process in started] == [2, 2]


def test_a_single_rank_needs_no_process_group(monkeypatch):
    monkeypatch.setattr(torch.distributed, "all_gather", None)
    ranks, stream = Ranks(), torch.Generator()
    assert ranks.is_main
    assert ranks.shard([1, 2, 3]) == [1, 2, 3]
    assert (ranks.gather("all"), ranks.broadcast("one")) == (["all"], "one")
    assert ranks.generator(stream) is stream
    with pytest.raises(BadInput, match="alone"), ranks.reporting_lost_ranks(), ranks.failing_together():
        raise BadInput("alone")


def test_gathered_shards_are_the_whole_list(two):
    shares, wholes = zip(*two(lambda ranks: (ranks.shard([1, 2, 3, 4]), ranks.gather(ranks.shard([1, 2, 3, 4])))))
    assert shares == ([1, 2], [3, 4])
    assert wholes == ([[1, 2], [3, 4]],) * 2


def test_ranks_have_different_streams_from_a_shared_one_that_advances_alike(two):
    def act(ranks: Ranks):
        shared = torch.Generator().manual_seed(3)
        return torch.rand(4, generator=ranks.generator(shared)).tolist(), shared.get_state().tolist()

    (mine, state), (other, state_of_other) = two(act)
    assert mine != other
    assert state == state_of_other


@pytest.mark.parametrize("kind", [BadInput, TryAgain])
@pytest.mark.parametrize("failing", [(0,), (1,), (0, 1)])
def test_an_error_of_one_rank_is_raised_on_all(kind, failing, two):
    def act(ranks: Ranks):
        with ranks.failing_together():
            if ranks.rank in failing:
                raise kind(f"rank {ranks.rank} cannot")

    assert two(act) == [(kind, f"rank {failing[0]} cannot")] * 2


def test_without_an_error_all_ranks_leave_the_block(two):
    def act(ranks: Ranks):
        with ranks.failing_together():
            found = ranks.rank
        return ranks.gather(found)

    assert two(act) == [[0, 1]] * 2


@pytest.mark.parametrize("gone", [0, 1])
def test_a_rank_that_loses_another_raises_try_again(gone, two, tmp_path):
    def act(ranks: Ranks):
        with ranks.reporting_lost_ranks():
            ranks.gather(None)
            if ranks.rank == gone:
                torch.save("gone", tmp_path / str(gone))
                os._exit(1)
            ranks.gather(None)

    left = two(act)[1 - gone]
    assert left[0] is TryAgain
    assert left[1].startswith(f"rank {1 - gone} has lost contact with another rank: ")


def test_other_errors_are_not_reported_as_lost_ranks(two):
    def act(ranks: Ranks):
        with ranks.reporting_lost_ranks():
            raise RuntimeError("shapes differ")

    assert two(act) == [(RuntimeError, "shapes differ")] * 2


def test_ranks_listen_on_the_loopback_interface_only(two, monkeypatch):
    """Even if the environment names another interface, which may be meant for jobs of several nodes."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "no-such-interface")

    def act(ranks: Ranks):
        ranks.gather(None)
        own = psutil.Process().net_connections("all")
        ranks.gather(None)
        return [tuple(each.laddr) for each in own if each.status == psutil.CONN_LISTEN]

    for listening in two(act):
        assert listening, "gloo's pairs listen somewhere"
        assert {address for address, _ in listening} == {"127.0.0.1"}


def test_messages_arrive_unchanged(two):
    """Views of shared memory, empty tensors, every type in use, floats to the bit, text of any kind."""

    def act(ranks: Ranks):
        base = torch.arange(6.0).view(2, 3)
        item = {
            "views": [base[0], base[1], base.T, base[:, :0]],
            "types": [
                torch.tensor([1, 2], dtype=kind) for kind in (torch.long, torch.bool, torch.uint8, torch.bfloat16)
            ],
            "plain": [None, True, -1, 0.1 + ranks.rank, math.inf, "π \ud800 \n", {"a": []}],
        }
        first = ranks.gather((item, "x" * 1000 * ranks.rank))[ranks.rank][0]
        same = all(
            torch.equal(a, b) and a.dtype == b.dtype
            for key in ("views", "types")
            for a, b in zip(first[key], item[key])
        )
        first["views"][0].add_(1)  # the received tensor must not share memory with what was sent
        return same, first["plain"] == item["plain"], base[0, 0].item()

    assert two(act) == [(True, True, 0.0)] * 2


def test_only_json_and_tensors_are_exchanged(two):
    found = two(lambda ranks: ranks.gather(Path("x")))
    assert found == [(TypeError, "ranks exchange JSON and tensors, got PosixPath")] * 2


def test_decoding_an_invalid_message_runs_no_code(tmp_path):
    """Unpickling this message would create a file."""
    evil = pickle.dumps(Leaving(tmp_path / "mark"))
    for data in (evil, encode(None)[:-1], b""):
        with pytest.raises((SafetensorError, ValueError, LookupError)):
            decode(data)
    assert not any(tmp_path.iterdir())


class Leaving:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_taken_port_is_drawn_again_and_ranks_without_a_meeting_are_refused(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadInput, match=r"SMOOTHGATES_MEETING: expected .* launch"):
        begin_group()
    with socket.create_server(("", 0)) as taken:
        place = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv(MEETING, place)
        with pytest.raises(TryAgain, match=f"the port of {place} is in use"):
            begin_group(10)
