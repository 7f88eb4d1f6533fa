"""An environment that reads and writes token ids: sampled tokens are never tokenised again, only replies are."""

from collections import Counter
from functools import lru_cache

import torch
from tokenizers import Tokenizer
from torch import Tensor

from smoothgates.rollout.sampler import Tools
from smoothgates.tasks.task import Environment, Example


class TokenEnvironment:
    """A task's environment for one batch of completions. Counts its replies to each."""

    def __init__(self, tokenizer: Tokenizer, environment: Environment, examples: list[Example], max_reply_tokens: int):
        """`examples`: the example of each row. Replies are cut to `max_reply_tokens`, their frame is kept."""
        self.tokenizer, self.environment, self.examples = tokenizer, environment, examples
        self.max_reply_tokens = max_reply_tokens
        self.frame = tuple(self._encode(text) for text in environment.frame)
        self.replies: Counter[int] = Counter()
        """Replies to each row so far."""

    def tools(self) -> Tools:
        """The interface for the sampler."""
        watched = watched_ids(self.tokenizer, self.environment.stops)
        room = self.environment.max_replies * (self.max_reply_tokens + sum(map(len, self.frame)))
        return Tools(self.respond, watched, room)

    def respond(self, rows: list[int], turns: list[list[int]]) -> list[list[int] | None]:
        """See `sampler.Respond`."""
        keys = [(id(self.examples[row]), self.replies[row], *turn) for row, turn in zip(rows, turns, strict=True)]
        firsts = {key: i for i, key in reversed(list(enumerate(keys)))}  # equal turns get one answer
        texts = {i: until_stop(self.tokenizer.decode(turns[i]), self.environment.stops) for i in firsts.values()}
        asked = [i for i, text in texts.items() if text is not None]
        replies = self.environment.respond([(self.examples[rows[i]], texts[i], self.replies[rows[i]]) for i in asked])
        found: dict[int, list[int] | None] = {i: [] for i in texts}
        found |= {i: reply if reply is None else self._framed(reply) for i, reply in zip(asked, replies, strict=True)}
        answers = [found[firsts[key]] for key in keys]
        self.replies.update(row for row, answer in zip(rows, answers, strict=True) if answer)
        return answers

    def _framed(self, reply: str) -> list[int]:
        before, after = self.frame
        return before + self._encode(reply)[: self.max_reply_tokens] + after

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids


@lru_cache(maxsize=1)
def watched_ids(tokenizer: Tokenizer, stops: tuple[str, ...]) -> Tensor:
    """(vocabulary,) true for ids whose text can be the end of a stop.

    Cached for the next batch: the 150,000 ids of a published model take half a second.
    """
    last = {stop[-1] for stop in stops}
    ids = range(max(tokenizer.get_vocab().values()) + 1)  # some tokenizers leave gaps
    texts = tokenizer.decode_batch([[i] for i in ids])
    return torch.tensor([not last.isdisjoint(text) for text in texts])


def until_stop(text: str, stops: tuple[str, ...]) -> str | None:
    """The text up to the end of its first stop, or None if it has no stop.

    >>> until_stop("<search> a</search>.", ("</answer>", "</search>"))
    '<search> a</search>'
    """
    ends = [at + len(stop) for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else None
