"""docs/metrics.md explains each column that a study writes, and no other."""

import re
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

PAGE = Path("docs/metrics.md").read_text()
OPTIONAL = {"routing_churn", "routing_drift", "correction_mean", "correction_capped", "answer_reward", "format_reward"}
"""Columns of policies with experts (test_moe.py), of runs with `sampler.correction`, and of rewards with a format."""


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def explained(text: str) -> set[str]:
    """Names in the first column of its tables, with braces expanded."""
    cells = re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE)
    return {name for cell in cells for each in re.findall(r"`([^`]+)`", cell) for name in variants(each)}


def variants(cell: str) -> list[str]:
    """The expansions of a name with braces, as in a shell."""
    parts = re.split(r"\{([^}]*)\}", cell)
    choices = (part.split(",") if i % 2 else [part] for i, part in enumerate(parts))
    return ["".join(chosen) for chosen in product(*choices)]


def general(columns: list[str]) -> set[str]:
    """Columns whose names depend on the study, under the name that the page has for them."""
    return {re.sub(r"^component_.*", "component_NAME", re.sub(r"^pass_at_\d+$", "pass_at_N", name)) for name in columns}


def columns(folder: Path, pattern: str) -> set[str]:
    files = sorted(folder.glob(pattern))
    assert files
    return general([name for file in files for name in pd.read_parquet(file).columns])


KEYS, SCORES = explained(section("Keys")), explained(section("Scores"))
METRICS = explained(section("metrics.parquet"))


@pytest.mark.parametrize(
    ("pattern", "on_page"),
    [
        ("train/*/*/*/*/metrics.parquet", METRICS - OPTIONAL),
        ("analysis/curves.parquet", (KEYS | METRICS) - OPTIONAL),
        ("analysis/scores.parquet", KEYS | SCORES | explained(section("scores.parquet"))),
        ("analysis/learning.parquet", (KEYS | SCORES | explained(section("learning.parquet"))) - {"pass_at_N"}),
        ("evaluate/*/*/*/*/samples.parquet/*.parquet", explained(section("samples.parquet"))),
        ("analysis/gates/curves.parquet", explained(section("gates/curves.parquet"))),
    ],
)
def test_each_column_is_explained_and_nothing_else(finished, pattern, on_page):
    assert columns(finished.folder / "results/smoke", pattern) == on_page


def test_each_column_of_the_reports_tables_is_explained(finished):
    page = section("Tables of the report")
    files = sorted(finished.folder.glob("reports/smoke/tables/*.csv"))
    assert {file.name for file in files} == {*re.findall(r"\w+\.csv", page)} - {"routing.csv"}
    for file in files:
        own = re.search(rf"^### .*\b{file.name}.*?\n(.*?)(?=^### |\Z)", page, re.MULTILINE | re.DOTALL)[1]
        known = explained(own) | general(re.findall(r"`(\w+)`", own)) | KEYS | {"benchmark"}
        assert general(pd.read_csv(file).columns) <= known, file


def test_columns_of_some_runs_are_explained_too():
    assert OPTIONAL < METRICS
