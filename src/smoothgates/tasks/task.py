"""What a task is: its examples, prompts, tools and rewards. All are text; nothing here uses tensors or token ids."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol

from smoothgates.tasks.tags import MARKERS

Reason = Literal["correct", "wrong", "unparsable", "truncated", "timeout"]
"""Why a completion got its verdict. `unparsable`: no answer was found. `truncated`: the completion was cut off.
`timeout`: judging it exceeded the limits of time or memory; it never counts as wrong."""


@dataclass(frozen=True)
class Example:
    """One problem, in the form that all sources share."""

    id: str
    """Unique within its source."""
    question: str
    answers: tuple[str, ...]
    """Accepted answers, the canonical one first."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further data that the task needs, as JSON values."""


@dataclass(frozen=True)
class Verdict:
    """The reward of a completion, and the reason."""

    reward: float
    components: dict[str, float]
    """Parts of the reward and other scores, by name."""
    extracted: str | None
    """The answer found in the completion; None if there is none."""
    reason: Reason


Answered = tuple[str, Example, bool]
"""The text that the policy wrote (with the prompt's prefill, without tools' replies), its example, and whether it was
truncated."""

Judge = Callable[[list[Answered]], list[Verdict]]
"""Returns the verdicts on a batch, in order. Slow verifiers judge a batch in parallel."""


def each(judge: Callable[[str, Example, bool], Verdict]) -> Judge:
    """Return a judge of batches, from a function that judges one completion."""
    return lambda batch: [judge(*answered) for answered in batch]


@dataclass(frozen=True)
class Prompt:
    """How to present a question to the policy."""

    template: str = "{question}"
    system: str = ""
    prefill: str = ""
    """Text that every completion of the policy begins with."""

    def ask(self, question: str) -> str:
        """Return the user's message."""
        return self.template.replace("{question}", question)

    def in_one(self, question: str) -> str:
        """Return system and user message as one, for a policy without a system message.

        >>> Prompt("Q: {question}", system="Be brief.").in_one("Why?")
        'Be brief.\\nQ: Why?'
        """
        return f"{self.system}\n{self.ask(question)}" if self.system else self.ask(question)


Demonstration = tuple[tuple[str, bool], ...]
"""A completion to imitate: pieces of text, each with a flag: True if the policy writes it, False if a tool does."""


@dataclass(frozen=True)
class Generator:
    """A source that generates examples, and demonstrates answers for warm starts."""

    generate: Callable[[Random], Iterator[Example]]
    """Yields examples without end; they may repeat."""
    careful: Callable[[Example], Demonstration] | None = None
    """Returns a worked solution."""
    hasty: Callable[[Example, Random], Demonstration] | None = None
    """Returns a guess without reasoning."""
    pattern: Callable[[Example], str] = lambda example: example.question
    """Examples with equal patterns are all for training or all held out."""
    every: Callable[[], Iterator[Example]] | None = None
    """Yields each example once, if there are few. None: there are many, or they cannot be listed."""
    replies: tuple[str, ...] = ()
    """Texts of tools that no demonstration contains. The compact policy's vocabulary needs their words."""


Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A source that is one split of a public data set."""

    read: Callable[[Row], Example | None]
    """Converts a row, with the columns of the hub or of a mirror, to an example. None drops the row, which is counted.
    An example with an empty id is numbered."""
    hub: str | None = None
    """Name on the hub; None for a set that only mirrors have."""
    revision: str | None = None
    """Commit on the hub."""
    files: tuple[str, ...] = ()
    """Patterns of its files on the hub, parquet or JSON lines."""


ToolCall = tuple[Example, str, int]
"""An example, the text that the policy wrote since the last reply (it ends with a stop), and the number of replies so
far."""


class Environment(Protocol):
    """The tools of a task, which reply to the policy within a completion."""

    stops: tuple[str, ...]
    """Texts that end a turn of the policy."""
    frame: tuple[str, str]
    """Text before and after a reply. It is kept when a reply is truncated."""
    max_replies: int

    def respond(self, turns: list[ToolCall]) -> list[str | None]:
        """Return the reply to each turn; None ends that conversation. It never raises because of a turn's text."""


Search = Callable[[list[tuple[Example, str]]], list[str]]
"""Returns the text found for each (example, query); empty if nothing is found."""


@dataclass(frozen=True)
class Task:
    """One domain."""

    name: str
    prompts: dict[str, Prompt]
    generators: dict[str, Generator] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    """Public data sets."""
    environment: Callable[[int, int, Path | None], Environment] | None = None
    """Makes the tools from the number of uses allowed, the number of results for each use, and the manifest of an index
    to search. Without an index they search the data of each generated example."""
    markers: tuple[str, ...] = MARKERS
    """Texts that verifiers and tools read: one token each in a compact policy's tokenizer, kept by `decode`."""
    own_words: Callable[[str], str] = str
    """Removes what tools wrote from a conversation. Training uses the mask of tokens instead."""


def example_of(id: str, question: str, answers: Iterable[str], extra: Row | None = None) -> Example | None:
    """Return an example; None without a question or an answer. Repeated answers count once.

    >>> example_of("7", " What? ", ["yes", "", "yes", "Yes"]).answers
    ('yes', 'Yes')
    >>> example_of("8", "What?", [" "])
    """
    kept = tuple(dict.fromkeys(answer.strip() for answer in answers if answer.strip()))
    return Example(id, question.strip(), kept, extra or {}) if kept and question.strip() else None


@dataclass(frozen=True)
class Corpus:
    """Passages to search: a file in a tar archive on the hub."""

    hub: str
    revision: str
    archive: str
    sha256: str
    """Digest of the archive."""
    member: str
    """The file in the archive: JSONL with rows {id, contents}."""
