"""Tests of every gate in the folder, including new ones."""

import importlib
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from smoothgates import gates
from smoothgates.errors import BadInput
from smoothgates.gates import GATES, HELPERS, catalogue
from smoothgates.gates.admissibility import CHECK_SCALE, check
from smoothgates.gates.contract import FARTHEST, check_contract
from smoothgates.gates.gate import one_sided
from smoothgates.methods.method import Method
from smoothgates.methods.table import load_methods
from smoothgates.objective.ratio import LOG_RATIO_LIMIT
from smoothgates.stages import check_gate, train
from smoothgates.stages import gates as stage
from smoothgates.study.loader import load_study

SMOOTH = [name for name, gate in GATES.items() if gate.parameter == "tau"]


def test_one_file_one_gate_of_the_same_name():
    files = {path.stem for path in Path(gates.__file__).parent.glob("*.py")} - HELPERS - {"__init__"}
    assert set(GATES) == files
    assert all(name == gate.name for name, gate in GATES.items())


def test_the_docs_agree_with_the_gate_files(monkeypatch):
    """A new gate may be missing until `make docs`, so that adding its file is enough for the tests to pass."""
    written = Path("docs/gates.md").read_text().splitlines()
    assert any(line.startswith("| `clip` |") for line in written)
    for known in (GATES, GATES | {"mine": replace(ARCTAN, name="mine")}):
        monkeypatch.setattr(catalogue, "GATES", known)
        assert not set(written) - set(catalogue.markdown().splitlines()), "run `make docs`"


@pytest.mark.parametrize("name", GATES)
def test_every_gate_keeps_the_contract(name):
    check_contract(GATES[name])


@pytest.mark.parametrize("name", SMOOTH)
def test_the_one_sided_control_of_every_smooth_gate_keeps_the_contract(name):
    check_contract(one_sided(GATES[name]))


def test_the_contract_covers_the_whole_range_of_the_loss():
    assert FARTHEST == LOG_RATIO_LIMIT


ARCTAN, CLIP = GATES["arctan"], GATES["clip"]


def slightly(gate, above, factor):
    """The gate with a slightly wrong weight at large ratios."""
    return replace(gate, weight=lambda r, s, p: gate.weight(r, s, p) * (1 + factor * (r > above)))


BROKEN = [
    (replace(ARCTAN, weight=GATES["erf"].weight), r"weight is not the derivative .* at ratio .* \(tau 0.3, Â > 0\)"),
    (slightly(ARCTAN, 1e4, 1e-6), r"weight is not the derivative .* at ratio 1\d{4}"),
    (slightly(ARCTAN, 1.2, 1e-6), r"weight is not the derivative .* at ratio 1.2"),
    (
        replace(CLIP, weight=lambda r, s, p: r * 0 + 1),
        r"weight is not the derivative .* at ratio .* \(clip 0.0003, Â > 0\)",
    ),
    (replace(CLIP, weight=lambda r, s, p: CLIP.weight(r, s, True)), r"weight is not the derivative .* Â ≤ 0\)"),
    (
        replace(ARCTAN, value=lambda r, s, p: 2 * r, weight=lambda r, s, p: r * 0 + 2),
        "weight is not 1 on-policy; at ratio 1 weight is 2",
    ),
    (replace(ARCTAN, value=lambda r, s, p: r.exp()), r"value is not finite in torch.float64; at ratio 70\d"),
    (replace(GATES["none"], value=lambda r, s, p: r.pow(5)), "value is not finite in torch.float32; at ratio"),
    (replace(ARCTAN, weight=lambda r, s, p: 1.0), r"weight: expected torch.float64 \(200001,\) like .*, got 1.0"),
    (replace(ARCTAN, weight=lambda r, s, p: r.mean()), r"weight: expected .*, got torch.float64 \(\)"),
    (replace(ARCTAN, value=lambda r, s, p: r.arctangent()), "value raises AttributeError: 'Tensor' object has no attr"),
    (
        replace(ARCTAN, half_width=lambda tau: 1.1 / tau),
        "half_width is 3.66667, but weight is not ½ there; at ratio 4.66667",
    ),
    (replace(CLIP, half_width=lambda clip: math.inf), "half_width is infinite; at ratio 1.0004"),
    (
        replace(GATES["dual_clip"], half_width=lambda clip: clip),
        r"half_width is 4, but weight falls to ½ before; at ratio 3.* weight is 0 \(clip 4, Â ≤ 0\)",
    ),
    (replace(CLIP, half_width=lambda clip: -clip), "half_width is -0.0003, expected a positive distance"),
    (replace(ARCTAN, half_width=lambda: 1), "half_width raises TypeError"),
    (
        replace(CLIP, value=lambda r, s, p: CLIP.value(r, float(s), p)),
        "value raises ValueError: only one element tensors",
    ),
    (
        replace(CLIP, value=lambda r, s, p: CLIP.value(r, s, bool(torch.as_tensor(p).any()))),
        "value mixes tokens that differ in scale or sign of Â; at ratio",
    ),
    (replace(ARCTAN, both=GATES["erf"].both), "both differs from value at ratio"),
    (replace(CLIP, admissible=True), "claims to be admissible, but is not smooth at ratio 1.2"),
    (replace(GATES["none"], admissible=True), r"claims to be admissible, but is not vanishing at ratio 1e"),
]


@pytest.mark.parametrize(("gate", "fault"), BROKEN, ids=lambda what: what if isinstance(what, str) else what.name)
def test_a_broken_gate_is_reported_with_the_ratio(gate, fault):
    with pytest.raises(BadInput, match=f"^gate '{gate.name}': {fault}"):
        check_contract(gate)


def test_half_widths_must_be_proportional_to_the_inverse_of_tau():
    """A method's half-width is converted to τ by this rule."""
    other = replace(ARCTAN, half_width=lambda tau: 1 / tau if tau > 0.5 else 1 / tau * (1 - 5e-4))
    with pytest.raises(BadInput, match=r"half_width is 3.33167 at tau 0.3, expected half_width\(1\)/tau = 3.33333"):
        check_contract(other)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "GATE: expected a Gate, got nothing"),
        ("GATE = 1", "GATE: expected a Gate, got int"),
        ("from smoothgates.gates.erf import GATE", "name: expected 'mine', the name of the file, got 'erf'"),
        ("GATE = (", r"cannot be imported: SyntaxError: .*"),
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "from dataclasses import replace; from smoothgates.gates.erf import GATE as g;"
            "GATE = replace(g, name='mine', parameter='temperature')",
            "parameter: expected tau, clip, none, got 'temperature'",
        ),
    ],
)
def test_a_file_without_a_valid_gate_is_named(text, fault, tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "__path__", [*gates.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "smoothgates.gates.mine", raising=False)
    (tmp_path / "mine.py").write_text(text)
    importlib.invalidate_caches()
    with pytest.raises(BadInput, match=rf"^src/smoothgates/gates/mine.py: {fault}$"):
        gates.load("mine")


def test_the_catalogue_is_written_completely_or_not_at_all(tmp_path):
    """`make docs` in a copy with a file that defines no gate: one line, and the old catalogue stays."""
    shutil.copytree("src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src/smoothgates/gates/mine.py").write_text("")
    table = tmp_path / "gates.md"
    table.write_text("old")
    command = [sys.executable, "-m", "smoothgates", "gate-table", "gates.md"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: src/smoothgates/gates/mine.py: GATE: expected a Gate, got nothing\n"
    assert table.read_text() == "old"


@pytest.mark.parametrize(
    "broken",
    [
        {"value": lambda ratio, tau: ratio},
        {"weight": lambda ratio, tau, positive: 1.0},
        {"weight": lambda ratio, tau, positive: ratio[1:]},
        {"half_width": lambda: 1},
    ],
)
def test_a_gate_that_cannot_be_drawn_is_reported_in_one_line(broken, monkeypatch):
    """The catalogue evaluates gates that no check has passed."""
    monkeypatch.setattr(catalogue, "GATES", {"mine": replace(ARCTAN, name="mine", **broken)})
    curves = [] if "half_width" in broken else [lambda: catalogue.curve_rows(tau=(1.0,), clip=0.2)]
    for draw in [catalogue.markdown, *curves]:
        with pytest.raises(BadInput, match=r"^gate 'mine': .*: run `make check-gate NAME=mine`$"):
            draw()


def test_the_stage_checks_and_writes_a_record(tmp_path, monkeypatch, capsys):
    out = tmp_path / "erf/check.json"
    check_gate.run('{"gate": "erf"}', out)
    assert json.loads(out.read_text())["spec"] == {"gate": "erf"}
    assert json.loads((tmp_path / "erf/run.json").read_text())["stage"] == "check_gate"
    check_gate.run('{"gate": "erf"}')
    assert capsys.readouterr().out == "gate 'erf': all checks passed\n"
    monkeypatch.setitem(GATES, "erf", replace(GATES["erf"], weight=ARCTAN.weight))
    with pytest.raises(BadInput, match="gate 'erf': weight is not the derivative"):
        check_gate.run('{"gate": "erf"}', tmp_path / "again.json")
    assert not (tmp_path / "again.json").exists()
    with pytest.raises(BadInput, match="--spec: gate: unknown gate 'mine'; known: arctan, "):
        check_gate.run('{"gate": "mine"}')


@pytest.mark.parametrize("name", GATES)
def test_a_gate_meets_the_conditions_that_it_claims(name):
    gate = GATES[name]
    assert check(gate, CHECK_SCALE[gate.parameter]).admissible == gate.admissible


@pytest.mark.parametrize("name", SMOOTH)
def test_one_sided_gates_act_only_where_the_clip_acts(name):
    two, one = GATES[name], Method(gate=name, tau=10, one_sided=True).applied_gate()
    above, below = (torch.tensor([r], dtype=torch.float64) for r in (1.3, 0.7))
    for acting, free, positive in ((above, below, True), (below, above, False)):
        assert one.weight(acting, 10.0, positive) == two.weight(acting, 10.0, positive)
        assert one.weight(free, 10.0, positive) == 1


def test_a_one_sided_method_differs_from_its_gate_only_in_one_sided():
    """Its training then depends on that gate's file only."""
    methods = load_methods("config/methods.yaml")
    for name in ("sigmoid", "erf", "arctan", "softsign"):
        control, method = methods[f"{name}_one_sided"], methods[f"{name}_wide"]
        assert control == method.model_copy(update={"one_sided": True})
        assert method.applied_gate() is GATES[name]


def test_the_stage_writes_catalogue_and_curves(tmp_path):
    stage.run('{"tau": [1.0, 10.0], "clip": 0.2}', tmp_path / "curves.parquet", tmp_path / "gates.json")
    assert [row["name"] for row in json.loads((tmp_path / "gates.json").read_text())["gates"]] == list(GATES)
    curves = pd.read_parquet(tmp_path / "curves.parquet")
    assert list(curves["gate"].unique()) == list(GATES)
    assert set(curves.loc[curves["gate"] == "erf", "scale"]) == {1.0, 10.0}


def test_a_training_refuses_the_check_of_another_gate(tmp_path):
    spec = load_study("laptop").train_spec("math", "near", "erf", 0).canonical()
    data, start, check = tmp_path / "data.json", tmp_path / "model.json", tmp_path / "check.json"
    data.touch()
    start.touch()
    check_gate.run('{"gate": "clip"}', check)
    with pytest.raises(BadInput, match=r"check.json: spec.gate: expected 'erf', the gate of the method, got 'clip'$"):
        train.run(
            spec, train.Inputs(data, start, gate=check), train.Result(tmp_path / "out.json", tmp_path / "out.parquet")
        )
