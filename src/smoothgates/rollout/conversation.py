"""Between token ids and an environment's texts: what was sampled is never tokenised again, only replies are."""

from collections import Counter
from functools import lru_cache

import torch
from tokenizers import Tokenizer
from torch import Tensor

from smoothgates.rollout.sampler import Tools
from smoothgates.tasks.task import Environment, Example


class Conversation:
    """The tools of one batch of completions, and how often each was answered."""

    def __init__(self, tokenizer: Tokenizer, environment: Environment, examples: list[Example], max_reply_tokens: int):
        """`examples`: of each completion, in the order of the rows. Longer replies are cut, their frame is kept."""
        self.tokenizer, self.environment, self.examples = tokenizer, environment, examples
        self.max_reply_tokens = max_reply_tokens
        self.frame = tuple(self._encode(text) for text in environment.frame)
        self.replies: Counter[int] = Counter()

    def tools(self) -> Tools:
        """For the sampler."""
        watched = watched_ids(self.tokenizer, self.environment.stops)
        room = self.environment.max_replies * (self.max_reply_tokens + sum(map(len, self.frame)))
        return Tools(self.respond, watched, room)

    def respond(self, rows: list[int], turns: list[list[int]]) -> list[list[int] | None]:
        texts = [until_stop(self._decode(turn), self.environment.stops) for turn in turns]
        asked = [i for i, text in enumerate(texts) if text is not None]
        replies = self.environment.respond([(self.examples[rows[i]], texts[i], self.replies[rows[i]]) for i in asked])
        found: list[list[int] | None] = [[] for _ in rows]
        for i, reply in zip(asked, replies, strict=True):
            if reply is None:
                found[i] = None
            else:
                self.replies[rows[i]] += 1
                before, after = self.frame
                found[i] = before + self._encode(reply)[: self.max_reply_tokens] + after
        return found

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def _decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids)


@lru_cache(maxsize=1)
def watched_ids(tokenizer: Tokenizer, stops: tuple[str, ...]) -> Tensor:
    """(vocabulary,) true for ids whose text can be the end of a stop.

    Kept for the next batch: a model's 150,000 ids take half a second.
    """
    last = {stop[-1] for stop in stops}
    ids = range(max(tokenizer.get_vocab().values()) + 1)  # some tokenizers leave gaps
    texts = tokenizer.decode_batch([[i] for i in ids])
    return torch.tensor([not last.isdisjoint(text) for text in texts])


def until_stop(text: str, stops: tuple[str, ...]) -> str | None:
    """The text up to the end of its first stop, or None if it has none.

    >>> until_stop("<search> a</search>.", ("</answer>", "</search>"))
    '<search> a</search>'
    """
    ends = [at + len(stop) for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else None
