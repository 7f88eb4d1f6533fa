"""math-verify decides the inputs of docs/math-verify.md as the page says, and we decide otherwise."""

import importlib.metadata
import logging
import re
from pathlib import Path

from .golds import judged

PAGE = Path("docs/math-verify.md")
_ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| .+ \|$", re.MULTILINE)


def test_math_verify_decides_as_the_page_says_and_we_decide_otherwise():
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it warns that its timeouts are off
    page = PAGE.read_text(encoding="utf-8")
    assert f"math-verify {importlib.metadata.version('math-verify')} " in page
    accepted, refused = (_ROW.findall(part) for part in page.split("## Refused"))
    assert len(accepted) > 20
    assert len(refused) > 10
    for rows, theirs in ((accepted, True), (refused, False)):
        for gold, answer in ([text.replace(r"\|", "|") for text in row] for row in rows):
            parsed = (parse(f"${text}$", parsing_timeout=None) for text in (gold, answer))
            verdict = verify(*parsed, timeout_seconds=None)
            assert (verdict, judged(gold, answer)) == (theirs, not theirs), (gold, answer)
