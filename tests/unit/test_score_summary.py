"""The summary that `score` ends with."""

import json

import pytest

from smoothgates.evaluate.summary import summary, wilson
from smoothgates.stages import score


def test_a_summary_counts_old_and_new_verdicts_and_its_interval_is_wilsons(tmp_path):
    stats = pytest.importorskip("scipy.stats")
    source, texts = tmp_path / "in.jsonl", ["#### 27"] * 3 + ["#### 28"] * 4 + ["?"] * 2
    rows = [{"id": i, "completion": text, "answer": "27"} for i, text in enumerate(texts)]
    rows.append({"id": "cut", "completion": "#### 27", "answer": "27", "truncated": True})
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reasons = {"correct": 3, "wrong": 4, "unparsable": 2, "truncated": 1}
    for _ in range(2):
        assert score.run("math", "answer", source, tmp_path / "out.jsonl") == reasons
    said, counts = summary(reasons).splitlines()
    assert said == "accuracy 30.0 %, 95 % interval 10.8 to 60.3 % (Wilson), n = 10"
    assert counts == "correct 3, wrong 4, unparsable 2, truncated 1"
    for count, n in [(0, 1), (1, 1), (3, 10), (500, 1319)]:
        expected = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
        assert wilson(count, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert summary({}) == ""
