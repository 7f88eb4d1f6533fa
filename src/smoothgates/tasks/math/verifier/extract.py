"""Find the final answer in a text that any model wrote, in time linear in the text."""

import re

from smoothgates.tasks.math.verifier.prose import announced, spoken
from smoothgates.tasks.tags import ANSWER, last_block


def final_answer(text: str) -> str | None:
    """Return the answer to which a text commits itself, or None. It is the first that exists of

    1. the last <answer> block,
    2. the last \\boxed{}, with the preceding ones of the same list ("\\boxed{1} and \\boxed{2}" is a pair),
    3. the text after the last "####", "A:" at the start of a line, JSON key "answer" or "answer is",
    4. the last formulas or numbers of the text.

    Only the text after </think> counts, if there is any. Lists stay whole: "42, 43, 44" is not 42.

    >>> final_answer("1 + 1 = 2.\\n#### 2"), final_answer("<answer>The answer is $3$.</answer>")
    ('2', '$3$')
    >>> final_answer(r"So \\boxed{1} or \\boxed{2}."), final_answer("The answer is 42, 43, 44")
    ('1, 2', '42, 43, 44')
    """
    answered = text.rpartition("</think>")[2]
    if answered.strip():
        text = answered
    block = last_block(text, *ANSWER)
    return stated(text if block is None else block)


def stated(text: str) -> str | None:
    """Return the answer in a text that should contain only the answer."""
    text = re.sub(r"(?<=[\d)}])(or|and)(?=[A-Z(\\])", r" \1 ", text)
    return listed_boxes(text) or announced(text) or spoken(text)


# --- \boxed{} -------------------------------------------------------------------------------------------------------

_BRACES = re.compile(r"\\(?:boxed|fbox)\s{0,9}\{|\\[{}]|[{}]")


def boxes(text: str) -> list[tuple[int, int, int]]:
    """Return (start, start of content, end of content) of each closed \\boxed{}, in order of closing.

    >>> [r"\\boxed{1} \\boxed{\\{2\\}} \\boxed{3"[a:b] for _, a, b in boxes(r"\\boxed{1} \\boxed{\\{2\\}} \\boxed{3")]
    ['1', '\\\\{2\\\\}']
    """
    found: list[tuple[int, int, int]] = []
    open_braces: list[re.Match] = []
    for brace in _BRACES.finditer(text):
        if brace[0] == "{" or brace[0][1:2] in ("b", "f"):
            open_braces.append(brace)
        elif brace[0] == "}" and open_braces:
            opening = open_braces.pop()
            if opening[0] != "{":
                found.append((opening.start(), opening.end(), brace.start()))
    return found


def last_boxed(text: str) -> str | None:
    """Return the content of the closed \\boxed{} that starts last, or None.

    >>> last_boxed(r"\\boxed{1} \\boxed{\\frac{1}{2}} \\boxed{3"), last_boxed("}{")
    ('\\\\frac{1}{2}', None)
    """
    last = max(boxes(text), default=None)
    return None if last is None else _content(text, last)


def _content(text: str, box: tuple[int, int, int]) -> str:
    """Return the content of a box. A box is in math mode, so a dollar in it ends math mode."""
    content = text[box[1] : box[2]].strip()
    return f"${content}$" if re.search(r"(?<!\\)\$", content) else content


_DRESSING = re.compile(r"\\(?:text|mbox|textbf|mathrm)(?![a-z])|\\[()\[\] ,;!]|\\q?quad|\\displaystyle|[{}$\s.*]+")
_LISTING = re.compile(
    r"(?: [a-z]+){0,3}(?: \([a-z]\))?(?: ?(?:,|;|and|or|&))+(?: ?[A-Za-z][\w'(), ]{0,20}=)? ?", re.ASCII
)


def listed_boxes(text: str) -> str | None:
    """Return the contents of the last \\boxed{} and of the preceding ones of the same list, joined by commas, or None.

    >>> listed_boxes(r"$\\boxed{1}$ and $x = \\boxed{2}$"), listed_boxes(r"\\boxed{1}. No: \\boxed{2}")
    ('1, 2', '2')
    """
    found = sorted(boxes(text), reverse=True)
    if not found:
        return None
    listed = [found[0]]
    for box in found[1:30]:
        between = text[box[2] + 1 : listed[-1][0]]
        if len(between) > 80 or not _LISTING.fullmatch(re.sub(r"\s+", " ", _DRESSING.sub(" ", between))):
            break
        listed.append(box)
    return ", ".join(dict.fromkeys(_content(text, box) for box in reversed(listed)))
