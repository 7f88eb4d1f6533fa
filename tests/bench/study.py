"""K8: where the CPU seconds of a finished study went, from the run.json of its jobs."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.run_record import RunRecord

from .dag import running
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
SNAKEMAKE = "Snakemake's own"


def measure(study: str = "laptop", root: Path = Path(), snakemake: float | None = None) -> Iterator[Row]:
    """One row for each part, with its share of all CPU seconds. `snakemake`: its own, which are measured if None."""
    files = [*(root / "results" / study).rglob("*run.json"), *(root / "reports" / study).glob("run.json")]
    if not files:
        yield Row("K8", f"the study {study}", note="not run: needs its results (make study)")
        return
    records = [read_manifest(file, RunRecord) for file in sorted(files)]
    spent = cpu_seconds(records)
    spent[SNAKEMAKE] = running(study)[0]["value"] if snakemake is None else snakemake
    total = sum(spent.values())
    commits = ", ".join(sorted({record["commit"][:7] for record in records if record["commit"]}))
    yield Row("K8", f"the study {study}, made by {commits}", "s", total, repeats=1)
    for part in (*PARTS, SNAKEMAKE):
        target = "<= 0.05" if part == SNAKEMAKE else ""
        yield Row(
            "K8", part, "s", spent[part], repeats=1, against="the study", ratio=spent[part] / total, target=target
        )


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
