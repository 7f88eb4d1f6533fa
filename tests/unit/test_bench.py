"""The benchmark: its statistics, each of its parts at a tiny size, and the page that shows its last table."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from smoothgates.methods.table import load_methods
from tests.bench import (
    beside_trl,
    ceilings,
    dag,
    evaluation,
    gates,
    growing,
    growth,
    harness,
    logprobs,
    overhead,
    page,
    retrieval,
    runner,
    startup,
    study,
    verdicts,
)
from tests.bench.harness import Row
from tests.bench.parts import PARTS

MISSING = "no such folder"


def test_functions_take_turns_and_the_first_calls_are_not_counted():
    calls, now = [], [0.0]

    def takes(name, seconds):
        calls.append(name)
        now[0] += seconds if len(calls) > 4 else 100

    functions = {"a": lambda: takes("a", 1), "b": lambda: takes("b", len(calls))}
    times = harness.alternate(functions, 3, lambda: now[0])
    assert "".join(calls) == "ab" * 5
    assert times == {"a": [1, 1, 1], "b": [5, 7, 9]}


def test_a_row_has_the_median_the_interquartile_range_and_the_ratio_of_medians():
    row = harness.summary([5.0, 1.0, 2.0, 3.0, 100.0], [2.0, 2.0, 9.0], part="K1", what="x", unit="s")
    assert (row.median, row.spread, row.repeats, row.ratio) == (3.0, 3.0, 5, 1.5)
    alone = harness.summary([4.0], part="K1", what="x")
    assert (alone.spread, alone.ratio) == (None, None)


@pytest.mark.parametrize(
    ("measured", "target", "reached"),
    [
        ({"median": 9.0, "ratio": 1.3}, "<= 1.3", True),
        ({"median": 1.0, "ratio": 1.31}, "<= 1.3", False),
        ({"median": 1.0, "ratio": 1.6}, ">= 1.5", True),
        ({"median": 0.7}, "<= 0.6", False),
        ({"median": 0.7}, "", None),
        ({}, "<= 0.6", None),
    ],
)
def test_a_target_is_of_the_ratio_or_else_of_the_median(measured, target, reached):
    assert Row("K1", "x", **measured, target=target).reached is reached


def test_a_process_is_charged_with_its_own_seconds_and_its_error_is_shown():
    busy, idle = "import time\nwhile time.process_time() < 0.5: pass", "import time; time.sleep(0.5)"
    assert harness.cpu_seconds([sys.executable, "-c", busy]) >= 0.5
    assert harness.cpu_seconds([sys.executable, "-c", idle]) < 0.5
    with pytest.raises(RuntimeError, match="exit status 1: ValueError: told"):
        harness.cpu_seconds([sys.executable, "-c", "raise ValueError('told')"])


def test_bytes_of_arguments_and_results_are_counted_and_views_are_not():
    a, b = torch.ones(10, 10), torch.ones(10)
    assert gates.moved(lambda: a + b.expand(10, 10)) == 400 + 40 + 400
    assert gates.moved(lambda: a.view(-1).unsqueeze(0).t()) == 0


def test_gates_have_a_row_for_each_method_and_one_for_the_diagnostics_of_an_update():
    *rows, diagnostics = gates.measure(rows=4, tokens=8, repeats=2)
    assert [row.what.partition(",")[0] for row in rows] == list(load_methods("config/methods.yaml"))
    assert all(row.target == "<= 1.3" and row.ratio > 0 for row in rows)
    assert diagnostics.against == "the update without them"


def test_logprobs_compare_memory_and_time_and_say_what_was_not_run(monkeypatch):
    monkeypatch.setattr(logprobs, "find_spec", lambda name: None)
    rows = list(logprobs.measure(tokens=40, timed=20, hidden=8, vocabulary=3000, repeats=1))
    assert [row.unit for row in rows] == ["MiB"] * 5 + ["s"] * 5
    judged = [row for row in rows if row.target]
    assert [row.target for row in judged] == ["<= 0.125", "<= 1.15"]
    assert all(row.what.startswith("chunked") and row.against == "full logits" for row in judged)
    assert [row.note for row in rows if row.median is None] == [
        f"not run: needs {package}, as make bench has it" for package in ("trl", "trl", "liger_kernel") * 2
    ]


def test_log_probabilities_that_differ_are_not_timed(monkeypatch):
    sums = {"full": [1.0, 2.0, 3.0, 4.0], "chunked": [1.0, 2.0, 3.001, 4.0]}
    monkeypatch.setattr(logprobs, "cell", lambda kind, *size: {"sums": sums[kind]})
    monkeypatch.setattr(logprobs, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"^chunked: .* differ from those of full logits by 3\.3e-04$"):
        list(logprobs.measure())


def test_ceilings_are_rates():
    rows = list(ceilings.measure(copied=100_000, side=64, repeats=2))
    assert [row.unit for row in rows] == ["GB/s", "GFLOP/s"]
    assert all(row.median > 0 for row in rows)


def test_verdicts_of_generated_answers_without_the_public_data(tmp_path):
    rows = list(verdicts.measure(tmp_path / MISSING, count=20, repeats=1))
    assert [row.what for row in rows] == [
        f"verdicts: {task}, generated, 20 rows" for task in ("math", "logic", "toolqa")
    ]
    assert [row.against for row in rows] == ["math-verify", "", ""]
    for task in verdicts.GENERATED:
        judged = verdicts.load_rewards(task)["answer"](verdicts.generated(task, 20))
        assert {verdict.reason for verdict in judged} == {"correct"}


def test_retrieval_of_generated_passages_without_the_public_data(tmp_path):
    built, searched, memory = retrieval.measure(tmp_path / MISSING, passages=50, repeats=1)
    assert built.what == "index 50 generated passages, with their texts"
    assert searched.against == built.against == "bm25s by hand"
    assert memory.repeats == retrieval.PROCESSES


def test_starting_is_compared_with_the_first_command(monkeypatch):
    exec(startup.COMMANDS["imports of a training"])
    monkeypatch.setattr(startup, "COMMANDS", {"a": "pass", "b": "import time\nwhile time.process_time() < 1: pass"})
    first, second = startup.measure(repeats=1)
    assert (first.what, second.what, second.against) == ("a", "b", "a")
    assert second.ratio > 1


def test_targets_of_snakemake_are_judged(monkeypatch):
    facts = {
        "reading": [dag.fact("read the rules", 0.4, "s")],
        "planning": [dag.fact("dry run of 10,046 jobs", 26.0, "s"), dag.fact("dry run of 10,046 jobs", 399.0, "MiB")],
        "running": [dag.fact("nothing to do of 244 jobs", 4.0, "s")],
        "starting": [dag.fact("shell and interpreter of a job", 0.1, "s")],
    }
    for name, found in facts.items():
        monkeypatch.setattr(overhead, name, lambda *_, found=found: found)
    assert [row.reached for row in overhead.measure()] == [True, False, True, True, None]


def test_a_step_beside_trl_is_compared_as_a_speed_and_in_memory_as_it_is():
    facts = [
        {"what": "gate 0: loss, gradient norm", "ours": 1.0, "theirs": 1.0, "apart": 3e-8, "unit": "nats"},
        {"what": "whole step, 1 thread", "ours": 0.5, "theirs": 0.8, "ratio": 1.6, "spread": [1.5, 1.7], "unit": "s"},
        {"what": "arithmetic limit, 1 thread", "ours": 0.5, "theirs": 0.4, "unit": "s"},
        {"what": "peak memory", "ours": 700.0, "theirs": 1000.0, "ratio": 0.7, "unit": "MiB"},
    ]
    gate, step, limit, memory = beside_trl.rows(facts)
    assert gate.note == "equal to 3e-08"
    assert (step.median, step.unit, step.ratio, step.reached) == (2.0, "1/s", 1.6, True)
    assert step.note == "0.500 s, TRL 0.800 s; quartiles of the ratio 1.50 to 1.70"
    assert limit.note == "a whole step of ours takes 1.2 times this"
    assert (memory.ratio, memory.reached) == (0.7, False)


def test_growth_is_a_straight_line_and_ratios_of_large_to_small():
    facts = {
        "tokens": [1024, 4096],
        "line": {"start": 0.1, "slope": 1e-5, "r2": 0.98},
        "memory": [
            {"rows": 128, "update_mib": 10.0},
            {"rows": 512, "update_mib": 20.0},
            {"rows": 4096, "update_mib": 11.0},
        ],
        "history": [0.002, 0.003],
        "analysis": {"3": 0.1, "40": 1.0, "400": 12.0},
    }
    line, memory, history, analysis = growing.rows(facts)
    assert line.reached is False
    assert (memory.median, memory.ratio) == (11.0, 1.1)
    assert (history.median, history.ratio) == (3.0, 1.5)
    assert (analysis.what, analysis.against, analysis.ratio) == (
        "comparing ten methods with 400 seeds",
        "40 seeds",
        12.0,
    )


def test_growth_is_measured_at_tiny_sizes():
    line = growth.updates(sizes=(256, 1024, 4096), repeats=1)
    assert line["r2"] <= 1
    assert line["slope"] > 0
    assert runner.alone(growth.update_mib, 16) > 0
    first, last = growth.run_seconds(rollouts=1, history=2)
    assert min(first, last, growth.analysis_seconds(3)) > 0


def test_evaluation_is_measured_as_a_process(tmp_path):
    smoke = yaml.safe_load(Path("tests/workflow/smoke.yaml").read_text())
    smoke["method_table"] = str(Path("config/methods.yaml").resolve())
    (tmp_path / "smoke.yaml").write_text(yaml.safe_dump(smoke))
    (row,) = evaluation.measure(str(tmp_path / "smoke.yaml"), steps=2, repeats=1)
    assert row.what == "evaluate a run of math with 3 policies, 2 seeds in a process"
    assert row.median > 0


def test_the_seconds_of_a_study_are_divided_among_its_parts(tmp_path):
    rollouts = [{"sample_seconds": 1.0, "update_seconds": 2.0}] * 2
    training = {"stage": "train", "cpu_seconds": 5.0, "attempts": [{"seconds": 10.0}], "rollouts": rollouts}
    spent = study.cpu_seconds([training, *({"stage": stage, "cpu_seconds": 1.0} for stage in study.STAGES)])
    assert [spent[part] for part in study.PARTS] == [1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 4.0]
    (row,) = study.measure(root=tmp_path)
    assert row.note == "not run: needs its results (make study)"


def test_a_part_that_fails_loses_no_other(monkeypatch, capsys):
    def rows_of(module):
        if module == "dag":
            raise ValueError("two\nlines")
        return [Row("K6", module)]

    monkeypatch.setattr(runner, "alone", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(runner, "rows_of", rows_of)
    monkeypatch.setitem(PARTS, "K6", PARTS["K6"].__class__("", ("startup", "dag", "overhead"), ""))
    rows = runner.measured("K6")
    assert [row.what for row in rows] == ["startup", "tests/bench/dag.py", "overhead"]
    assert rows[1].note == "failed: ValueError: two lines"


def bench(*words):
    return subprocess.run([sys.executable, "-m", "tests.bench", *words], capture_output=True, text=True)


def test_one_part_is_measured_by_its_name_and_ends_with_a_line_of_json():
    done = bench("k0")
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    found = json.loads(last)
    assert {row["part"] for row in found["rows"]} == {"K0"}
    assert {"machine", "processor", "kernels", "torch", "date", "commit"} <= found.keys()
    assert any(line.startswith("K0") for line in table)


def test_an_unknown_part_is_bad_input():
    done = bench("k99")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("expected one of k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, got 'k99'")


def test_the_page_shows_the_committed_measurement():
    record = json.loads(page.RECORD.read_text(encoding="utf-8"))
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.render(record), "run: python -m tests.bench.page"
    assert [row["what"] for row in record["rows"] if f"| {row['what']} |" not in text] == []
    assert {row["part"] for row in record["rows"]} == {*PARTS}


def test_a_table_marks_what_was_reached_and_draws_shares():
    rows = [
        Row("K1", "erf", "ms", 2.0, 0.5, 9, "plain", 1.25, "<= 1.3", "noted"),
        Row("K8", "half", "s", 50.0, repeats=1, ratio=0.5),
    ]
    first, second = page.markdown_table(rows).splitlines()[2:]
    assert first == "| erf | 2 ms | 0.5 (9) | plain | 1.25 | ≤ 1.3 ✓ | noted |"
    assert second == f"| half | 50 s | | | 0.5 | | {'█' * 20} |"
    assert page.text_table(rows).splitlines()[1] == "K1  erf   2 ms    0.5 (9)           plain   1.25   ≤ 1.3 ✓  noted"


def test_numbers_have_three_digits_or_all_before_the_point():
    assert [page.number(value) for value in (0.123456, 12.3456, 12345.6)] == ["0.123", "12.3", "12,346"]
