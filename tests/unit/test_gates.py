"""Every gate that the folder holds, whoever added it."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothgates import gates
from smoothgates.gates import GATES, HELPERS
from smoothgates.gates.admissibility import check
from smoothgates.stages.gates import CHECK_SCALE, markdown

scales = st.sampled_from([0.3, 1.0, 5.0, 10.0, 12.0])


def test_one_file_one_gate_of_the_same_name():
    files = {path.stem for path in Path(gates.__file__).parent.glob("*.py")} - HELPERS - {"__init__"}
    assert set(GATES) == files
    assert all(name == gate.name for name, gate in GATES.items())


def test_the_catalogue_in_the_docs_is_made_from_the_files():
    assert markdown() == Path("docs/gates.md").read_text(), "make docs"


@pytest.mark.parametrize("name", GATES)
@given(scale=scales, positive=st.booleans())
@settings(max_examples=10, deadline=None)
def test_slope_one_on_policy(name, scale, positive):
    assert GATES[name].weight(torch.ones(1, dtype=torch.float64), scale, positive).item() == pytest.approx(1)


@pytest.mark.parametrize("name", GATES)
@given(scale=scales, positive=st.booleans(), ratio=st.floats(0.01, 6))
@settings(max_examples=60, deadline=None)
def test_weight_is_the_derivative_of_value(name, scale, positive, ratio):
    gate, step = GATES[name], 1e-6
    points = torch.tensor([ratio - step, ratio, ratio + step], dtype=torch.float64)
    low, _, high = gate.value(points, scale, positive).tolist()
    weights = gate.weight(points, scale, positive).tolist()
    if abs(weights[0] - weights[2]) < 0.1:  # not across a kink
        assert (high - low) / (2 * step) == pytest.approx(weights[1], abs=1e-3)


@pytest.mark.parametrize("name", GATES)
@given(scale=st.sampled_from([0.2, 0.5, 5.0, 10.0]), positive=st.booleans())
@settings(max_examples=8, deadline=None)
def test_half_width_is_where_the_weight_is_half(name, scale, positive):
    gate = GATES[name]
    width = gate.half_width(scale)
    if width == math.inf:
        return
    acting = 1 + width if positive or gate.name == "cispo" else 1 - width
    if acting <= 0:
        return
    inner, outer = (torch.tensor([1 + (acting - 1) * k], dtype=torch.float64) for k in (0.999, 1.001))
    assert gate.weight(inner, scale, positive).item() >= 0.5
    assert gate.weight(outer, scale, positive).item() <= 0.5


@pytest.mark.parametrize("name", GATES)
def test_a_gate_meets_the_conditions_that_it_claims(name):
    gate = GATES[name]
    assert check(gate, CHECK_SCALE[gate.parameter]).admissible == gate.admissible


@pytest.mark.parametrize("name", GATES)
def test_scales_may_differ_by_token(name):
    gate = GATES[name]
    ratio = torch.tensor([0.7, 1.3, 0.7, 1.3], dtype=torch.float64)
    positive = torch.tensor([True, True, False, False])
    scale = torch.where(positive, 0.2, 0.4).to(ratio)
    for function in (gate.value, gate.weight):
        together = function(ratio, scale, positive)
        apart = torch.cat([function(ratio[:2], 0.2, True), function(ratio[2:], 0.4, False)])
        torch.testing.assert_close(together, apart)


@pytest.mark.parametrize("name", ["sigmoid", "erf", "arctan", "softsign"])
def test_one_sided_gates_act_only_where_the_clip_acts(name):
    two, one = GATES[name], GATES[f"{name}_one_sided"]
    above, below = (torch.tensor([r], dtype=torch.float64) for r in (1.3, 0.7))
    for acting, free, positive in ((above, below, True), (below, above, False)):
        assert one.weight(acting, 10.0, positive) == two.weight(acting, 10.0, positive)
        assert one.weight(free, 10.0, positive) == 1
