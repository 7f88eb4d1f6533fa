"""Ranks agree on what happens next, also when one of them fails or is gone."""

import os
import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest
import torch

from smoothgates.errors import BadInput, TryAgain
from smoothgates.launch import Place, free_port, rank_environments
from smoothgates.ranks import Ranks


@pytest.fixture
def two(tmp_path) -> Callable:
    """What an act returns or raises on each of two ranks, which are forked."""

    def two(act: Callable[[Ranks], object]) -> list:
        port = free_port()
        children = [fork(rank, port, act, tmp_path / str(rank)) for rank in range(2)]
        for child in children:
            os.waitpid(child, 0)
        return [torch.load(tmp_path / str(rank), weights_only=False) for rank in range(2)]

    return two


def fork(rank: int, port: int, act: Callable[[Ranks], object], told) -> int:
    if child := os.fork():
        return child
    try:
        os.environ.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        try:
            found = act(Ranks())
        except Exception as error:
            found = (type(error), str(error))
        torch.save(found, told)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


ENDING = """
import atexit, torch.distributed as dist
atexit.register(lambda: print(dist.is_initialized()))  # registered first, called last
from smoothgates.ranks import Ranks
with Ranks().as_one():
    raise SystemExit(2)
"""


def test_torchs_threads_are_ended_before_the_process():
    ranks = rank_environments(Place(1, 0, "127.0.0.1", free_port()), {}, 2, lambda: 0)
    started = [
        subprocess.Popen([sys.executable, "-c", ENDING], env={**os.environ, **rank}, stdout=subprocess.PIPE, text=True)
        for rank in ranks
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == ["False\n"] * 2
    assert [process.returncode for process in started] == [2, 2]


def test_alone_nothing_is_met(monkeypatch):
    monkeypatch.setattr(torch.distributed, "all_gather_object", None)
    ranks, stream = Ranks(), torch.Generator()
    assert ranks.leads
    assert ranks.share([1, 2, 3]) == [1, 2, 3]
    assert (ranks.gather("all"), ranks.first("one")) == (["all"], "one")
    assert ranks.own(stream) is stream
    with pytest.raises(BadInput, match="alone"), ranks.noticing_losses(), ranks.as_one():
        raise BadInput("alone")


def test_each_has_its_share_and_all_have_the_whole(two):
    shares, wholes = zip(*two(lambda ranks: (ranks.share([1, 2, 3, 4]), ranks.gather(ranks.share([1, 2, 3, 4])))))
    assert shares == ([1, 2], [3, 4])
    assert wholes == ([[1, 2], [3, 4]],) * 2


def test_streams_differ_and_what_they_come_from_moves_on_alike(two):
    def act(ranks: Ranks):
        shared = torch.Generator().manual_seed(3)
        return torch.rand(4, generator=ranks.own(shared)).tolist(), shared.get_state().tolist()

    (mine, state), (other, state_of_other) = two(act)
    assert mine != other
    assert state == state_of_other


@pytest.mark.parametrize("kind", [BadInput, TryAgain])
@pytest.mark.parametrize("failing", [(0,), (1,), (0, 1)])
def test_what_fails_on_one_fails_on_all_with_the_first_ones_words(kind, failing, two):
    def act(ranks: Ranks):
        with ranks.as_one():
            if ranks.rank in failing:
                raise kind(f"rank {ranks.rank} cannot")

    assert two(act) == [(kind, f"rank {failing[0]} cannot")] * 2


def test_a_block_in_which_none_fails_is_gone_through(two):
    def act(ranks: Ranks):
        with ranks.as_one():
            found = ranks.rank
        return ranks.gather(found)

    assert two(act) == [[0, 1]] * 2


@pytest.mark.parametrize("gone", [0, 1])
def test_who_has_lost_another_is_to_be_run_again(gone, two, tmp_path):
    def act(ranks: Ranks):
        with ranks.noticing_losses():
            ranks.gather(None)
            if ranks.rank == gone:
                torch.save("gone", tmp_path / str(gone))
                os._exit(1)
            ranks.gather(None)

    left = two(act)[1 - gone]
    assert left[0] is TryAgain
    assert left[1].startswith(f"rank {1 - gone} has lost another one: ")


def test_other_errors_are_not_taken_for_a_loss(two):
    def act(ranks: Ranks):
        with ranks.noticing_losses():
            raise RuntimeError("shapes differ")

    assert two(act) == [(RuntimeError, "shapes differ")] * 2
