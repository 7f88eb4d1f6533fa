"""Each check of theory holds, and would find a formula that is wrong."""

import dataclasses

import pytest

from smoothgates.analysis import theory
from smoothgates.gates import GATES
from smoothgates.specs.claims import Check


def test_the_names_of_checks_are_those_that_claims_may_use():
    assert set(theory.CHECKS) == set(Check.__args__)


@pytest.mark.parametrize("name", theory.CHECKS)
def test_what_the_papers_prove_holds(name):
    found = theory.CHECKS[name]()
    assert found.holds, found.detail


def test_a_gate_with_a_wrong_weight_is_found(monkeypatch):
    right = GATES["erf"].weight
    wrong = dataclasses.replace(GATES["erf"], weight=lambda *arguments: 1.1 * right(*arguments))
    monkeypatch.setitem(GATES, "erf", wrong)
    assert not theory.CHECKS["erf_is_admissible"]().holds
    assert not theory.CHECKS["weight_is_one_on_policy"]().holds
    assert theory.CHECKS["arctan_is_admissible"]().holds


def test_another_reading_of_the_constants_is_not_the_constant_one(monkeypatch):
    monkeypatch.setitem(theory.READINGS, "printed", theory.READINGS["b"])
    found = theory.CHECKS["printed_weights_are_one"]()
    assert not found.holds
    assert "largest error 4.0e-01" in found.detail
