"""The tags that policies and tools write, and functions that read their content in time linear in any text."""

import re

THINK = ("<think>", "</think>")
SEARCH = ("<search>", "</search>")
INFORMATION = ("<information>", "</information>")
ANSWER = ("<answer>", "</answer>")
BOXED = (r"\boxed{", "}")
MARKERS = (BOXED[0], *THINK, *SEARCH, *INFORMATION, *ANSWER)
"""One token each in the compact policies' tokenizers, unless a task names others. Their order fixes the token ids."""

_JOINT = re.compile(r"(?:[\s,;/|&]|\b(?:or|and|else|either|maybe|perhaps|possibly|alternatively)\b)+")
"""Text that joins two answers to one list."""


def last_block(text: str, opening: str, closing: str) -> str | None:
    """Return the text between the last closing tag and the last opening tag before it; None if there is no such pair.

    >>> last_block("<a>x</a> <a> y </a> <a>z", "<a>", "</a>")
    ' y '
    >>> last_block("<a>x <a>y</a>", "<a>", "</a>"), last_block("x</a>", "<a>", "</a>")
    ('y', None)
    """
    end = text.rfind(closing)
    start = text.rfind(opening, 0, max(end, 0))
    return None if start < 0 else text[start + len(opening) : end]


def hedged(text: str, opening: str, closing: str) -> bool:
    """Return whether only a conjunction or punctuation separates the last closed pair from the one before it.

    >>> hedged("<a>x</a> or <a>y</a>", "<a>", "</a>"), hedged("<a>x</a>, no: <a>y</a>", "<a>", "</a>")
    (True, False)
    """
    start = text.rfind(opening, 0, max(text.rfind(closing), 0))
    end = text.rfind(closing, 0, max(start, 0))
    between = text[end + len(closing) : start].strip("$* \n").casefold() if end >= 0 else ""
    return _JOINT.fullmatch(between) is not None


def without_blocks(text: str, opening: str, closing: str) -> str:
    """Return the text without its closed pairs. An opening tag that is never closed stays.

    >>> without_blocks("a<i>b</i>c<i>d", "<i>", "</i>")
    'ac<i>d'
    """
    kept, at = [], 0
    while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
        kept.append(text[at:start])
        at = end + len(closing)
    return "".join([*kept, text[at:]])


def once_in_order(text: str, tags: tuple[str, ...]) -> bool:
    """Return whether each tag occurs exactly once, in this order.

    >>> once_in_order("<think>a</think><answer>b</answer>", THINK + ANSWER), once_in_order("</think><think>", THINK)
    (True, False)
    """
    found = [text.find(tag) for tag in tags]
    return all(text.count(tag) == 1 for tag in tags) and found == sorted(found)
