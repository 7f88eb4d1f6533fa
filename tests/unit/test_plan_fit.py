"""The fit of the cost model finds the constants that made its measurements, and writes these alone."""

import shutil
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
from bench.fit import FITTED, NAME, STAGES, Cell, facts, fit, held_out, write

from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.plan.load import load_of
from smoothgates.ops.plan.machine import load_machines
from smoothgates.ops.plan.model import cost
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]
MACHINE = load_machines(ROOT / "config/machines.yaml")[NAME]
PLANTED = MACHINE.model_copy(update=dict(zip(FITTED, (0.7, 0.1, 0.003, 0.02, 0.0008, 0.4))))


@pytest.fixture(scope="module")
def cells():
    """One for each kind of job in two studies of different sizes, measured on a machine with the planted constants."""
    found = {}
    for study in (load_study("laptop", ROOT / "config"), load_study(str(ROOT / "tests/bench/wide.yaml"))):
        for job in jobs_of(study, planned=True):
            if job.stage in STAGES:
                name = f"{job.rule}/{job.regime}"
                load = load_of(job, study)
                found[study.name, job.task, name] = Cell(
                    job.stage, f"{study.name}/{job.task}", name, load, cost(load, PLANTED).seconds
                )
    return list(found.values())


def test_it_finds_planted_constants(cells):
    fitted = fit(MACHINE, cells)
    for name in FITTED:
        assert getattr(fitted, name) == pytest.approx(getattr(PLANTED, name), rel=1e-3), name
    assert fitted.model_copy(update={name: getattr(MACHINE, name) for name in FITTED}) == MACHINE


def test_a_cell_held_out_has_no_say(cells):
    """One measurement is ten times too long. The fit that predicts it is to the others, so its error is seen whole."""
    wrong = [replace(cells[0], seconds=10 * cells[0].seconds), *cells[1:]]
    errors = held_out(MACHINE, wrong, lambda cell: cell.name + cell.group)
    assert errors[0] == pytest.approx(-log(10), abs=1e-2)
    assert [fact["value"] for fact in facts(cells, [-log(2)] * len(cells), "by two")] == pytest.approx([2] * 6)


def test_it_writes_the_fitted_constants_alone(tmp_path):
    file = tmp_path / "machines.yaml"
    shutil.copy(ROOT / "config/machines.yaml", file)
    small = PLANTED.model_copy(update={"completion_seconds": 2e-5})
    write(small, file)
    before, after = load_machines(ROOT / "config/machines.yaml"), load_machines(file)
    assert after == {**before, NAME: small}
    lines = [path.read_text().splitlines() for path in (ROOT / "config/machines.yaml", file)]
    assert sum(a != b for a, b in zip(*lines, strict=True)) == len(FITTED)
