"""What a task is: where its examples come from, how they are asked, what may be done, what an answer is worth.

Text only: nothing here knows tensors or token ids.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol

from smoothgates.tasks.tags import MARKERS

Reason = Literal["correct", "wrong", "unparsable", "truncated", "timeout"]
"""Why a completion got its verdict. `unparsable`: no answer could be read. `truncated`: cut off before its end.
`timeout`: judging it needed more time or memory than is allowed; never counted as wrong."""


@dataclass(frozen=True)
class Example:
    """One problem, in the one shape that every source is brought to."""

    id: str
    """Unique within its source."""
    question: str
    answers: tuple[str, ...]
    """Accepted answers, the canonical one first."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What else its task needs, as plain JSON values."""


@dataclass(frozen=True)
class Verdict:
    """What a completion is worth, and why."""

    reward: float
    components: dict[str, float]
    """The reward's named parts, and other scores by name."""
    extracted: str | None
    """The answer found in the completion."""
    reason: Reason


Answered = tuple[str, Example, bool]
"""What the policy wrote (the prompt's prefill included, tools' replies not), its example, and whether it was cut off
before its end."""

Judge = Callable[[list[Answered]], list[Verdict]]
"""Verdicts on a batch, in its order. A batch, so that slow verifiers can work on many at once."""


def each(judge: Callable[[str, Example, bool], Verdict]) -> Judge:
    """A judge of batches from a judge of one completion."""
    return lambda batch: [judge(*answered) for answered in batch]


@dataclass(frozen=True)
class Prompt:
    """How a question is put to the policy."""

    template: str = "{question}"
    system: str = ""
    prefill: str = ""
    """What the policy's answer is made to begin with."""

    def ask(self, question: str) -> str:
        """The user's turn."""
        return self.template.replace("{question}", question)

    def in_one(self, question: str) -> str:
        """System's and user's turn, for a policy that knows one turn only.

        >>> Prompt("Q: {question}", system="Be brief.").in_one("Why?")
        'Be brief.\\nQ: Why?'
        """
        return f"{self.system}\n{self.ask(question)}" if self.system else self.ask(question)


Demonstration = tuple[tuple[str, bool], ...]
"""An answer to imitate: stretches of text, and whether the policy (rather than a tool) wrote each."""


@dataclass(frozen=True)
class Generator:
    """A source that makes its examples, with two ways to demonstrate an answer where a warm start needs them."""

    generate: Callable[[Random], Iterator[Example]]
    """Endless examples, repetitions included."""
    careful: Callable[[Example], Demonstration] | None = None
    """A worked solution."""
    hasty: Callable[[Example, Random], Demonstration] | None = None
    """One that skips the reasoning and guesses."""
    pattern: Callable[[Example], str] = lambda example: example.question
    """Examples with one pattern fall on the same side of the split into training and held-out."""
    every: Callable[[], Iterator[Example]] | None = None
    """Each example once, where a study may ask for more than there are. None: there are more, or they cannot
    be listed."""
    replies: tuple[str, ...] = ()
    """What tools may say that no demonstration shows: the policy must know these words too."""


Row = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A source that is one split of a public data set."""

    read: Callable[[Row], Example | None]
    """A row, in upstream's columns or in those of the mirror, as an example; None drops it, and it is counted.
    Rows without an id of their own leave it empty: they are numbered."""
    hub: str | None = None
    """Name on the hub; None: it is nowhere but in mirrors."""
    revision: str | None = None
    """Commit on the hub."""
    files: tuple[str, ...] = ()
    """Patterns of its files on the hub, parquet or JSON, one row a line."""


ToolCall = tuple[Example, str, int]
"""An example, what the policy wrote since it was last answered (it ends with a stop), and how often it was answered."""


class Environment(Protocol):
    """What answers the policy within a completion: its tools."""

    stops: tuple[str, ...]
    """Texts at which a turn of the policy ends."""
    frame: tuple[str, str]
    """What stands before and after a reply. Kept when a reply is cut to its limit."""
    max_replies: int

    def respond(self, turns: list[ToolCall]) -> list[str | None]:
        """The reply that is inserted after each turn; None ends that conversation. Returns whatever the turns hold."""


Search = Callable[[list[tuple[Example, str]]], list[str]]
"""Texts found for queries, each asked about an example; empty where nothing is found."""


@dataclass(frozen=True)
class Task:
    """One domain."""

    name: str
    prompts: dict[str, Prompt]
    rewards: dict[str, Judge]
    """By name. `answer` reads the answer wherever a model may have put it: the one that `score` uses."""
    generators: dict[str, Generator] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    """Public data sets."""
    environment: Callable[[int, int, Path | None], Environment] | None = None
    """Tools, from how often they may be used, how much each use finds, and the manifest of the index that they search;
    None: what comes with each generated example."""
    markers: tuple[str, ...] = MARKERS
    """Texts that verifiers and tools read: one token each in a compact policy's tokenizer, kept by `decode`."""
    own_words: Callable[[str], str] = str
    """What the policy wrote in a conversation of which there is only the text; with tokens, their mask tells."""


def example_of(id: str, question: str, answers: Iterable[str], extra: Row | None = None) -> Example | None:
    """An example; None without a question or an answer. Repeated answers count once.

    >>> example_of("7", " What? ", ["yes", "", "yes", "Yes"]).answers
    ('yes', 'Yes')
    >>> example_of("8", "What?", [" "])
    """
    kept = tuple(dict.fromkeys(answer.strip() for answer in answers if answer.strip()))
    return Example(id, question.strip(), kept, extra or {}) if kept and question.strip() else None


@dataclass(frozen=True)
class Corpus:
    """Passages to search: a file inside a tar archive on the hub."""

    hub: str
    revision: str
    archive: str
    sha256: str
    """Of the archive."""
    member: str
    """The file in the archive: JSONL with rows {id, contents}."""
