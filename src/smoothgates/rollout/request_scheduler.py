"""Sampling with tools from an engine that serves single requests.

A turn is what the policy samples until the completion ends, may call a tool, or reaches its limit: one request. A row
that continues sends its next request with all its ids so far, and never waits for other rows. Each request has its own
seed.
"""

from typing import NamedTuple

import torch

from smoothgates.rollout.sampler import Completions, SamplingParameters, Tools, padded


class Request(NamedTuple):
    """Continue these ids."""

    row: int
    """The completion that the request belongs to."""
    ids: list[int]
    limit: int
    """Most tokens to sample."""
    temperature: float
    seed: int


class RequestOutput(NamedTuple):
    """The tokens that were sampled for a request: one turn."""

    row: int
    ids: list[int]
    """The id that ended the turn included."""
    logp: list[float]
    """Of each id, at temperature 1, in nats."""


class Row:
    """A completion so far."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.logp: list[float] = []
        self.mask: list[bool] = []
        self.turn = 0
        """First position of the policy's current turn."""
        self.truncated = False

    def add_sampled(self, output: RequestOutput) -> None:
        self.ids += output.ids
        self.logp += output.logp
        self.mask += [True] * len(output.ids)

    def add_reply(self, ids: list[int]) -> None:
        self.ids += ids
        self.logp += [0.0] * len(ids)
        self.mask += [False] * len(ids)
        self.turn = len(self.ids)


class RequestScheduler:
    """Turns outputs into further requests until every completion of one call of `Sampler.sample` is finished."""

    def __init__(self, prompts: list[list[int]], parameters: SamplingParameters, seeds: list[int], tools: Tools | None):
        """`seeds`: one for each row, those of a prompt side by side."""
        self.rows = [Row() for _ in seeds]
        self.ends, self.tools = parameters.ends, tools
        self.watched = set(tools.watched.nonzero().squeeze(1).tolist()) if tools else set()
        self.stops = sorted(self.watched.union(self.ends))
        """Ids that end a turn."""
        how = [(prompt, parameters.max_new_tokens, each) for prompt in prompts for each in parameters.temperatures]
        self.open = {i: Request(i, *what, seed) for i, (what, seed) in enumerate(zip(how, seeds, strict=True))}
        """The request of each unfinished row."""

    def advance(self, outputs: list[RequestOutput]) -> list[Request]:
        """Append these outputs to their rows. Returns the rows' next requests."""
        for output in outputs:
            self.rows[output.row].add_sampled(output)
        replies = self.replies([output.row for output in outputs])
        for output in outputs:
            self.close(output, replies[output.row])
        return [self.open[output.row] for output in outputs if output.row in self.open]

    def replies(self, rows: list[int]) -> dict[int, list[int] | None]:
        """The reply to insert into each of these rows: [] if no tool replies, None if the completion has ended."""
        found = {i: None if self.rows[i].ids[-1] in self.ends else [] for i in rows}
        asking = [i for i in rows if found[i] is not None and self.rows[i].ids[-1] in self.watched]
        if asking:
            turns = [self.rows[i].ids[self.rows[i].turn :] for i in asking]
            found |= zip(asking, self.tools.respond(asking, turns), strict=True)
        return found

    def close(self, output: RequestOutput, reply: list[int] | None) -> None:
        """Close the request of an output. Open the row's next one if the row continues after this reply."""
        row, request = self.rows[output.row], self.open.pop(output.row)
        row.truncated = reply is not None and len(output.ids) == request.limit
        if reply is None or row.truncated:
            return
        if reply:
            row.add_reply(reply)
        ids, left = request.ids + output.ids + reply, request.limit - len(output.ids)
        self.open[output.row] = request._replace(ids=ids, limit=left, seed=request.seed + 1)

    def completions(self) -> Completions:
        """The result, once no request is open."""
        return Completions(
            padded([row.ids for row in self.rows], torch.long, self.ends[0]),
            padded([row.logp for row in self.rows], torch.float32),
            padded([row.mask for row in self.rows], torch.bool),
            torch.tensor([len(row.ids) for row in self.rows]),
            torch.tensor([row.truncated for row in self.rows]),
        )
