"""The tags that policies and tools write, and reading what stands in them.

Linear in the text whatever stands in it: no backtracking.
"""

import re

THINK = ("<think>", "</think>")
SEARCH = ("<search>", "</search>")
INFORMATION = ("<information>", "</information>")
ANSWER = ("<answer>", "</answer>")
BOXED = (r"\boxed{", "}")
MARKERS = (BOXED[0], *THINK, *SEARCH, *INFORMATION, *ANSWER)
"""One token each in the compact policies' tokenizers, unless a task names others. Their order fixes the token ids."""

_JOINT = re.compile(r"(?:[\s,;/|&]|\b(?:or|and|else|either|maybe|perhaps|possibly|alternatively)\b)+")
"""What makes one list of two answers."""


def last_block(text: str, opening: str, closing: str) -> str | None:
    """What stands between the last closed pair: from the last opening before the last closing.

    >>> last_block("<a>x</a> <a> y </a> <a>z", "<a>", "</a>")
    ' y '
    >>> last_block("<a>x <a>y</a>", "<a>", "</a>"), last_block("x</a>", "<a>", "</a>")
    ('y', None)
    """
    end = text.rfind(closing)
    start = text.rfind(opening, 0, max(end, 0))
    return None if start < 0 else text[start + len(opening) : end]


def hedged(text: str, opening: str, closing: str) -> bool:
    """Whether the last closed pair is listed with the one before it: nothing but a joint stands between.

    >>> hedged("<a>x</a> or <a>y</a>", "<a>", "</a>"), hedged("<a>x</a>, no: <a>y</a>", "<a>", "</a>")
    (True, False)
    """
    start = text.rfind(opening, 0, max(text.rfind(closing), 0))
    end = text.rfind(closing, 0, max(start, 0))
    between = text[end + len(closing) : start].strip("$* \n").casefold() if end >= 0 else ""
    return _JOINT.fullmatch(between) is not None


def without_blocks(text: str, opening: str, closing: str) -> str:
    """The text without its closed pairs; an opening that is never closed stays.

    >>> without_blocks("a<i>b</i>c<i>d", "<i>", "</i>")
    'ac<i>d'
    """
    kept, at = [], 0
    while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
        kept.append(text[at:start])
        at = end + len(closing)
    return "".join([*kept, text[at:]])


def once_in_order(text: str, tags: tuple[str, ...]) -> bool:
    """Whether each tag stands exactly once, in this order.

    >>> once_in_order("<think>a</think><answer>b</answer>", THINK + ANSWER), once_in_order("</think><think>", THINK)
    (True, False)
    """
    places = [text.find(tag) for tag in tags]
    return all(text.count(tag) == 1 for tag in tags) and places == sorted(places)
