"""K6: the DAG: CPU seconds to read the rules, and those and memory of dry runs of a study and of ten thousand jobs."""

import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from smoothgates.jobs.dag import jobs_of
from smoothgates.study.loader import load_study

from .harness import Row, run_process, summary

SNAKEMAKE = (sys.executable, "-m", "snakemake")
PROFILE = ("--profile", "workflow/profiles/local")


def measure(study: str = "laptop", jobs: int = 10_000, repeats: int = 3) -> Iterator[Row]:
    """`jobs`: how many the larger dry run has, of the same study with more seeds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty = folder / "Snakefile"
        empty.write_text("rule all:\n")
        config = ("--config", f"study={study}")
        ours, bare = [], []
        for _ in range(repeats):
            bare.append(run_process([*SNAKEMAKE, "--snakefile", str(empty), "--list-rules"])[0])
            ours.append(run_process([*SNAKEMAKE, *PROFILE, *config, "--list-rules"])[0])
        rules = [a - b for a, b in zip(ours, bare, strict=True)]
        what = "read the rules: CPU seconds beyond those of a Snakefile without any"
        yield summary(rules, part="K6", what=what, unit="s", target="<= 0.5")

        big = str(grown(folder, study, jobs))
        for each, limits in ((study, ("", "")), (big, ("<= 25", "<= 400"))):
            seconds, _, mib = run_process([*SNAKEMAKE, *PROFILE, "--config", f"study={each}", "--dry-run"])
            what = f"dry run of {len(jobs_of(load_study(each))):,} jobs"
            yield summary([seconds], part="K6", what=what, unit="s", target=limits[0])
            yield summary([mib], part="K6", what=f"{what}: peak memory", unit="MiB", target=limits[1])


def grown(folder: Path, study: str, jobs: int) -> Path:
    """The study with enough seeds for so many jobs."""
    loaded = load_study(study)
    content = yaml.safe_load(loaded.file.read_text()) | {"method_table": str(loaded.table.resolve())}

    def with_seeds(count: int) -> Path:
        larger = folder / "grown.yaml"
        larger.write_text(yaml.safe_dump(content | {"seeds": list(range(count))}))
        return larger

    one, two = (len(jobs_of(load_study(str(with_seeds(count))))) for count in (1, 2))
    return with_seeds(math.ceil((jobs - one) / (two - one)) + 1)
