"""The documentation holds: its code runs, what it names exists, and each term is explained once."""

import doctest
import re
from pathlib import Path

import pytest

PAGES = sorted(Path("docs").glob("*.md"))


@pytest.mark.parametrize("page", [page for page in PAGES if "```pycon" in page.read_text()], ids=lambda page: page.stem)
def test_code_on_a_page_gives_the_output_that_it_shows(page):
    program = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(program, {}, page.name, str(page), 0)
    assert test.examples
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert not said, "".join(said)
