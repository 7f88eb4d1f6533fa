"""Keep a study's report for visitors: a copy in reports/released, without scripts, and what it says in the README."""

import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pandas as pd

from smoothgates.errors import BadInput
from smoothgates.io.files import replacing_folder, write_atomically
from smoothgates.report.verdicts import COUNTED, SHORT

README = Path("README.md")
BEGIN, END = "<!-- begin: made by `python -m smoothgates release` -->\n", "<!-- end -->\n"


def run(study: str, reports: Path) -> None:
    """Copy the report of a study to `reports`/released, and write what it says into the README. Raises BadInput."""
    page = reports / study / "index.html"
    if not page.is_file():
        raise BadInput(f"{page}: no such file: run `make study` first")
    released = reports / "released" / study
    with replacing_folder(released) as folder:
        shutil.copytree(page.parent, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run.json"))
        write_atomically(folder / page.name, without_scripts(page.read_text(encoding="utf-8")).encode())
    write_atomically(README, with_block(README.read_text(encoding="utf-8"), block(released)).encode())


def without_scripts(page: str) -> str:
    """The page without its compare view: the library that draws it, a megabyte of others' code, is not kept."""
    return re.sub(r'<script.*?</script>|<li><a href="#compare">.*?</li>', "", page, flags=re.DOTALL)


def with_block(readme: str, text: str) -> str:
    """The README with this text between the two marks. Raises BadInput if they are missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BadInput(f"{README}: expected the lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}{text}{END}{after}"


def block(released: Path) -> str:
    """What the README says of a released report: its answer, its first figure, and how the claims of papers fare."""
    page = (released / "index.html").read_text(encoding="utf-8")
    study, *more = texts(page, "lede")
    (answer,) = texts(page, "answer")
    names = {**{kind: kind for kind in COUNTED}, "no effect": "no effect above a bound", "theory": "theory that holds"}
    folder = released.as_posix()
    lines = [
        f"![Difference of each method's held-out score from the reference's]({folder}/figures/differences.svg)",
        "",
        f"{study} **{answer}** {' '.join(more)} The [report]({folder}/index.html) is one file.",
        "What it says of the papers' claims, each at the size of these policies and no other:",
        "",
        f"| claims of | {' | '.join(names.values())} |",
        f"|{'---|' * (1 + len(names))}",
        *(f"| {SHORT[paper]} ({paper}) | {' | '.join(map(str, row))} |" for paper, row in counts(released, [*names])),
    ]
    return "\n".join(lines) + "\n"


def counts(released: Path, kinds: list[str]) -> Iterator[tuple[str, list[int]]]:
    """The number of each paper's claims with each verdict. Theory, which is computed without runs, is counted apart."""
    verdicts = pd.read_csv(released / "tables/verdicts.csv", dtype=str, keep_default_na=False)
    computed = (verdicts["n"] == "") & (verdicts["verdict"] == "holds")
    kind = verdicts["verdict"].where(~computed, "theory")
    table = pd.crosstab(verdicts["paper"], kind).reindex(columns=kinds, fill_value=0)
    return zip(map(str, table.index), table.to_numpy().tolist(), strict=True)


def texts(page: str, kind: str) -> list[str]:
    """The texts of the paragraphs of a class. Raises BadInput if there are none, as in a rehearsal's page."""
    found = re.findall(rf'<p class="{kind}">(.*?)</p>', page, re.DOTALL)
    if not found:
        raise BadInput(f"expected a page of results, with a paragraph of the class {kind}")
    return [" ".join(unescape(re.sub(r"<[^>]+>", "", text)).replace("All regimes.", "").split()) for text in found]
