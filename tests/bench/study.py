"""K8: where the CPU seconds of a finished study went, from the run.json of its jobs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.run_record import RunRecord

from .harness import Row

STAGES = {
    "prepare": "examples",
    "policy": "warm starts and controls",
    "evaluate": "evaluation",
    "check_gate": "gates, analysis and report",
    "gates": "gates, analysis and report",
    "analyse": "gates, analysis and report",
    "report": "gates, analysis and report",
}
"""Stage → the part of the table that it belongs to; a training is three parts."""
PARTS = (
    "examples",
    "warm starts and controls",
    "training: sampling",
    "training: updates",
    "training: the rest",
    "evaluation",
    "gates, analysis and report",
)


def measure(study: str = "laptop", root: Path = Path()) -> Iterator[Row]:
    """One row for each part, with its share of the CPU seconds of all jobs."""
    files = [*(root / "results" / study).rglob("*run.json"), *(root / "reports" / study).glob("run.json")]
    spent = cpu_seconds([read_manifest(file, RunRecord) for file in sorted(files)])
    total = sum(spent.values())
    if not total:
        yield Row("K8", f"the study {study}", note="not run: needs its results (make study)")
        return
    yield Row("K8", f"the study {study}: {len(files)} records", "CPU s", total, repeats=1)
    for part in PARTS:
        yield Row("K8", part, "CPU s", spent[part], repeats=1, against="the study", ratio=spent[part] / total)


def cpu_seconds(records: list[dict]) -> Counter[str]:
    """CPU seconds by part. Rollouts record their seconds: they have the same share of the CPU as their whole job."""
    spent: Counter[str] = Counter()
    for record in records:
        whole = record["cpu_seconds"]
        if record["stage"] != "train":
            spent[STAGES[record["stage"]]] += whole
            continue
        share = whole / sum(attempt["seconds"] for attempt in record["attempts"])
        sample, update = (
            share * sum(rollout[f"{what}_seconds"] for rollout in record["rollouts"]) for what in ("sample", "update")
        )
        spent["training: sampling"] += sample
        spent["training: updates"] += update
        spent["training: the rest"] += whole - sample - update
    return spent
