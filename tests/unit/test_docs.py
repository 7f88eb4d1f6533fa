"""The documentation holds: its code runs, and what it names exists."""

import doctest
import importlib.metadata
import re
from pathlib import Path

import pytest
import typer

from smoothgates.cli import app

PAGES = [*sorted(Path("docs").glob("*.md")), *map(Path, ("README.md", "CONTRIBUTING.md", "config/README.md"))]
MAKEFILE = Path("Makefile").read_text()
TOP = "src|tests|docs|config|envs|workflow|reports/gpu|reports/released"
EXAMPLES = {"config/mine", "src/smoothgates/gates/mine.py"}
"""Files that a reader is to make."""

every_page = pytest.mark.parametrize("page", PAGES, ids=str)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in PAGES if "```pycon" in page.read_text()], ids=str)
def test_code_gives_the_output_that_is_shown(page):
    program = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(program, {}, page.name, str(page), 0)
    assert test.examples
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert not said, "".join(said)


@every_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith("http"):
            name, _, anchor = target.partition("#")
            found = page.parent / name if name else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), target


@every_page
def test_files_that_are_named_exist(page):
    for path in re.findall(rf"`((?:{TOP})/[a-z_0-9./-]+)`", prose(page)):
        assert Path(path).exists() or path in EXAMPLES or path.endswith(".lock.yaml"), path


@every_page
def test_commands_that_are_named_exist(page):
    code = "\n".join(re.findall(r"(?s:^```.*?^```$)|`[^`\n]+`|^    .*$", page.read_text(), re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"(?:^|[`;]|&& )\s*make ([a-z][a-z-]*)", code, re.MULTILINE)) <= targets
    known = set(typer.main.get_command(app).commands)
    assert set(re.findall(r"python -m smoothgates ([a-z][a-z-]*)", code)) <= known


def test_every_target_of_make_is_explained():
    phony = re.search(r"\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE)[1].replace("\\\n", " ").split()
    assert set(phony) == set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))


def test_the_glossary_explains_each_term_once():
    terms = re.findall(r"^\| \*\*(.+?)\*\*", Path("docs/glossary.md").read_text(), re.MULTILINE)
    assert len(terms) == len(set(terms)) > 40


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"[\w-]+\.md", Path("mkdocs.yml").read_text().partition("\nnav:")[2])
    assert sorted(listed) == sorted(page.name for page in Path("docs").glob("*.md"))


def test_the_citation_names_this_version():
    assert f"\nversion: {importlib.metadata.version('smoothgates')}\n" in Path("CITATION.cff").read_text()
