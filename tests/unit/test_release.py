"""The released report, and what the README says of it."""

from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.ops import release

RELEASED = [path.parent for path in sorted(Path("reports/released").glob("*/index.html"))]


def test_the_readme_says_what_the_released_report_says():
    readme = Path("README.md").read_text(encoding="utf-8")
    assert readme == release.with_block(readme, release.block(Path("reports/released/laptop"))), (
        "stale: python -m smoothgates release"
    )


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_verdicts_are_counted_once(folder):
    kinds = ["holds", "opposite", "no effect", "cannot tell", "not run", "theory"]
    found = dict(release.counts(folder, kinds))
    rows = (folder / "tables/verdicts.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert sum(map(sum, found.values())) == len(rows)
    assert len(found) == 4


def test_a_report_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere/index\.html: no such file: run `make study` first"):
        release.run("nowhere", tmp_path)


def test_a_readme_without_the_marks_and_a_page_without_an_answer_are_named(tmp_path):
    with pytest.raises(BadInput, match="expected the lines"):
        release.with_block("# smoothgates", "text")
    with pytest.raises(BadInput, match="expected a page of results"):
        release.texts("<p>A rehearsal</p>", "answer")


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_a_released_page_has_no_scripts(folder):
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page == release.without_scripts(page + "<script>alert(1)</script>")
