"""The claims of config/claims.yaml can be tested by the studies of config, and a mistake in the file is one line."""

import re
import shutil
from itertools import chain, product
from pathlib import Path

import pytest
import yaml

from smoothgates.errors import BadInput
from smoothgates.methods.table import load_methods
from smoothgates.ops.plan.plan import plan
from smoothgates.study.claims import load_claims
from smoothgates.study.loader import load_study

FILE = Path("config/claims.yaml")
CLAIMS = load_claims(FILE)
TESTED = {name: claim.test for name, claim in CLAIMS.claims.items() if claim.test}
STUDIES = {
    path.stem: load_study(path.stem)
    for path in sorted(Path("config").glob("*.yaml"))
    if "\ntasks:" in path.read_text(encoding="utf-8")
}


def cells(study) -> dict[tuple[str, str, str], set[str]]:
    """The methods of each cell (task, regime, benchmark) of a study."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for task, chosen in study.config.tasks.items():
        for block, benchmark in product(chosen.blocks, chosen.evaluation):
            for regime, methods in block.runs.items():
                found.setdefault((task, regime, benchmark), set()).update(methods)
    return found


def key(cell) -> tuple[str, str, str]:
    return (cell.task, cell.regime, cell.benchmark)


def can_test(study, test) -> bool:
    """Whether a study has a cell of a test, with its methods."""
    own = [cells(study).get(key(cell), set()) for cell in test.cells]
    return any(known.issuperset(methods) for known in own for methods in test.methods)


def test_there_are_claims_of_every_paper():
    papers = [claim.paper for claim in CLAIMS.claims.values()]
    assert len(papers) >= 30
    assert all(papers.count(paper) >= 8 for paper in set(papers))
    assert len(set(papers)) == 4


@pytest.mark.parametrize("name", TESTED)
def test_methods_and_cells_exist_and_the_study_that_a_claim_names_tests_it(name):
    test, known = TESTED[name], set().union(*map(cells, STUDIES.values()))
    assert {*chain(*test.methods)} <= load_methods("config/methods.yaml").keys()
    assert {*map(key, test.cells)} <= known
    assert can_test(STUDIES[CLAIMS.claims[name].needs.study], test)


def test_no_family_of_small_policies_is_too_large_for_ten_seeds():
    """With more than 25 comparisons no p could be below 0.05: 26 × 2/2¹⁰ is above it."""
    small = set().union(*(cells(study) for study in STUDIES.values() if not study.config.model))
    tested = [name for name, test in TESTED.items() if {*map(key, test.cells)} & small]
    assert 10 <= len(tested) <= 25


@pytest.mark.parametrize("name", CLAIMS.studies)
def test_gpu_hours_are_those_of_plan(name, tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    for file in ("config/machines.yaml", "config/claims.yaml", "config/questions.yaml"):
        shutil.copy(file, tmp_path / file)
    monkeypatch.chdir(tmp_path)  # no results are there
    said = CLAIMS.studies[name]
    found = plan(STUDIES[name].seeded(said.seeds), said.machine)
    assert sum(row.hours for row in found.rows if row.gpus) == pytest.approx(said.gpu_hours, rel=0.02)


def test_errors_are_binomial_ones():
    """Of two scores on as many problems: p(1 − p)/n for each."""
    problems = {"GSM8K": 1319, "MATH500": 500, "AIME": 60}
    checked = 0
    for claim in CLAIMS.claims.values():
        found = claim.reported and re.match(r"([\d.]+) % against ([\d.]+) % on (\w+)", claim.reported.text)
        if found:
            one, two, count = float(found[1]) / 100, float(found[2]) / 100, problems[found[3]]
            error = ((one * (1 - one) + two * (1 - two)) / count) ** 0.5
            assert claim.reported.error == pytest.approx(error, abs=0.0006), claim.statement
            assert claim.reported.effect == pytest.approx(one - two, abs=1e-9)
            checked += 1
    assert checked == 8


def edited(folder: Path, path: str, value) -> Path:
    """A copy of the claims with one key changed; None deletes it."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    *parents, last = path.split(".")
    place = content
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    file = folder / "claims.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


ERF = "claims.gates_reward_erf"
MISTAKES = [
    ("claims", {}, "claims: Dictionary should have at least 1 item"),
    (f"{ERF}.paper", "2402.03300", f"{ERF}.paper: Input should be '2602.19345', "),
    (f"{ERF}.statment", "x", f"{ERF}.statment: unknown key"),
    (f"{ERF}.statement", "", f"{ERF}.statement: String should have at least 1 character"),
    (f"{ERF}.test.metric", "rewards", f"{ERF}.test.metric: Input should be 'score', "),
    (f"{ERF}.test.direction", "up", f"{ERF}.test.direction: Input should be 'above' or 'below'"),
    (f"{ERF}.test.margin", 0.0, f"{ERF}.test.margin: Input should be greater than 0"),
    (f"{ERF}.test.cells", [], f"{ERF}.test.cells: "),
    (f"{ERF}.test.methods", [["erf", "grpo", "none"]], f"{ERF}.test.methods.0: Tuple should have at most 2 items"),
    (f"{ERF}.needs", None, f"{ERF}: expected `check`, or `reported` and `needs`"),
    (f"{ERF}.needs", {}, f"{ERF}.needs: expected `study`, `more`, or both"),
    (f"{ERF}.needs.study", "nosuch", f"{ERF}.needs.study: 'nosuch' is not among studies"),
    (f"{ERF}.check", "erf_is_admissible", f"{ERF}: check: expected no `test`, `reported` or `needs` beside it"),
    ("claims.gates_theory_admissible_erf.check", "nosuch", ".check: Input should be 'sigmoid_is_admissible', "),
    ("studies.sapo.gpu_hours", "1e4", "studies.sapo.gpu_hours: expected a number, got the text '1e4'"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES)
def test_a_mistake_is_one_line_with_file_and_key(path, value, message, tmp_path):
    file = edited(tmp_path, path, value)
    with pytest.raises(BadInput) as refused:
        load_claims(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(BadInput, match=r"nosuch.yaml: no such file$"):
        load_claims(tmp_path / "nosuch.yaml")
