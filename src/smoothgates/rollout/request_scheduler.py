"""Completions written in turns, for an engine that takes requests one by one.

A turn is what the policy samples until it ends, could ask a tool, or has reached the limit: one request. A row that
goes on asks again with all its ids so far, and never waits for others. Each turn of each row has a seed of its own.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from smoothgates.rollout.sampler import Completions, Tools


class Request(NamedTuple):
    """Go on with these ids."""

    row: int
    """Which completion it is of."""
    ids: list[int]
    limit: int
    """Most tokens to sample."""
    seed: int


class Turn(NamedTuple):
    """What was sampled at a request."""

    row: int
    ids: list[int]
    """The one that it stopped at included."""
    logp: list[float]
    """Of each, at temperature 1, nats."""


class Row:
    """A completion so far."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.logp: list[float] = []
        self.mask: list[bool] = []
        self.turn = 0
        """Where what the policy wrote since the last reply begins."""
        self.truncated = False

    def sampled(self, turn: Turn) -> None:
        self.ids += turn.ids
        self.logp += turn.logp
        self.mask += [True] * len(turn.ids)

    def replied(self, ids: list[int]) -> None:
        self.ids += ids
        self.logp += [0.0] * len(ids)
        self.mask += [False] * len(ids)
        self.turn = len(self.ids)


class Writing:
    """The completions of one call of `Sampler.sample`."""

    def __init__(self, prompts: list[list[int]], limit: int, ends: list[int], seeds: list[int], tools: Tools | None):
        """`prompts` and `seeds`: one each for a row."""
        self.rows = [Row() for _ in prompts]
        self.ends, self.tools = ends, tools
        self.watched = set(tools.watched.nonzero().squeeze(1).tolist()) if tools else set()
        self.stops = sorted(self.watched.union(ends))
        """Ids that end a turn."""
        self.open = {i: Request(i, prompt, limit, seeds[i]) for i, prompt in enumerate(prompts)}
        """The request of each row that is not over."""

    def take(self, turns: list[Turn]) -> list[Request]:
        """Take these turns up; returns the requests that follow from them."""
        for turn in turns:
            self.rows[turn.row].sampled(turn)
        replies = self.replies([turn.row for turn in turns])
        return [self.open[turn.row] for turn in turns if self.goes_on(turn, replies[turn.row])]

    def replies(self, numbers: list[int]) -> dict[int, list[int] | None]:
        """What is to be inserted into these rows: nothing where no tool answers, None where the completion is over."""
        found = {i: None if self.rows[i].ids[-1] in self.ends else [] for i in numbers}
        asking = [i for i in numbers if found[i] is not None and self.rows[i].ids[-1] in self.watched]
        if asking:
            turns = [self.rows[i].ids[self.rows[i].turn :] for i in asking]
            found |= zip(asking, self.tools.respond(asking, turns), strict=True)
        return found

    def goes_on(self, turn: Turn, reply: list[int] | None) -> bool:
        """Whether a row does after a turn and its reply. If it does, it has its next request."""
        row, request = self.rows[turn.row], self.open.pop(turn.row)
        row.truncated = reply is not None and len(turn.ids) == request.limit
        if reply is None or row.truncated:
            return False
        if reply:
            row.replied(reply)
        left = request.limit - len(turn.ids)
        self.open[turn.row] = Request(turn.row, request.ids + turn.ids + reply, left, request.seed + 1)
        return True

    def completions(self) -> Completions:
        """Once no request is open."""
        return Completions(
            padded([row.ids for row in self.rows], torch.long, self.ends[0]),
            padded([row.logp for row in self.rows], torch.float32),
            padded([row.mask for row in self.rows], torch.bool),
            torch.tensor([len(row.ids) for row in self.rows]),
            torch.tensor([row.truncated for row in self.rows]),
        )


def padded(rows: list[list], dtype: torch.dtype, fill: int = 0) -> Tensor:
    """Rows side by side (B, W).

    >>> padded([[1], [2, 3]], torch.long, 9).tolist()
    [[1, 9], [2, 3]]
    """
    return pad_sequence([torch.tensor(row, dtype=dtype) for row in rows], batch_first=True, padding_value=fill)
