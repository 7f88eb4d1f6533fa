"""A finished study of any size in the working directory, with planted scores: every file that its report needs.

    python -m tests.synthetic STUDY SEEDS      and say what analyse and report take; the working directory needs config/

Contents are random within their meaning, records are true. Weights are listed and not there.
"""

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import yaml

from smoothgates.io.files import digest, write_json
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.io.manifests.run_record import RunRecord
from smoothgates.io.manifests.scores import ScoresManifest
from smoothgates.io.paths import record_of, samples_of
from smoothgates.io.seal import sealed
from smoothgates.jobs.dag import Job, Jobs
from smoothgates.provenance.code_closure import code_digest
from smoothgates.provenance.environments import environment_of, lock_digest
from smoothgates.provenance.run_record import spec_digest
from smoothgates.specs.control import CONTROL
from smoothgates.stages import analyse, gates, report
from smoothgates.study.loader import LoadedStudy, load_study
from smoothgates.train.loop import NO_UPDATE

from .bench.memory import resident
from .bench.runner import alone

Run = tuple[str, str, str, int]
"""Task, regime, method and seed."""
NEWEST = (
    "reward", "correct", "zero_variance", "length", "replies", "truncated", "unparsable", "timeout", "entropy",
    "sampler_gap", "sampler_gap_mean",
)  # fmt: skip
"""Metrics of a rollout."""
HOSTILE = (
    '</script><script>document.title = "owned"</script><img src=x onerror="document.title=1">\x00\u202e{{ 7 * 7 }}'
)
"""Every completion of the first problem."""
NOWHERE = "0" * 64
"""The digest of a file that is not there."""


def write_study(study: LoadedStudy, score: Callable[..., float], diverged: Collection[Run] = ()) -> None:
    """Write the results of a study, up to its analysis: `score(task, regime, method, seed)` is the true Pass@1."""
    jobs = Jobs(study, planned=True)
    seen: dict[str, str] = {}
    for job in jobs.all():
        if job.rule == "prepare":
            facts = {"spec": job.spec.model_dump(mode="json"), "train": {"name": "train.parquet", "sha256": NOWHERE}}
            names = [*study.config.tasks[job.task].evaluation]
            facts |= {"benchmarks": {name: {"name": f"{name}.parquet", "sha256": NOWHERE} for name in names}}
            facts |= {"overlap": {name: {"benchmark": 8, "train": 8, "exact": 0, "ngram": 0} for name in names}}
            sources = [*job.spec.train, *job.spec.benchmarks.values()]
            facts |= {"sources": {rows.source: {"from": "generated"} for rows in sources}}
            write_json(Path(job.writes[0]), {"schema": DataManifest.SCHEMA, "schema_version": 1, **facts})
            record(job, job.records[0], [], list(job.writes), seen)
        elif job.rule in ("check_gate", "index"):
            write_json(Path(job.writes[0]), {})
            record(job, job.records[0], [], list(job.writes), seen)
        elif job.stage in ("policy", "train"):
            run = (job.task, job.regime, job.method, job.seed or 0)
            write_model(study, job, score(*run), "diverged" if run in diverged else "finished", seen)
        elif job.rule == "evaluate":
            for seed, path in zip(study.config.seeds, job.writes, strict=True):
                run = (job.task, job.regime, job.method, seed)
                write_scores(job, Path(path), run, jobs, score(*run), seen)
    job = jobs.gates()
    gates.run(job.spec.canonical(), Path(jobs.paths.gate_curves), Path(jobs.paths.gates))


def write_model(study: LoadedStudy, job: Job, score: float, status: str, seen: dict[str, str]) -> None:
    path = Path(job.outputs["model"])
    spec = job.spec.model_dump(mode="json")
    own = {"spec": spec if job.stage == "train" else {**spec, "regime_name": CONTROL}, "status": status}
    kept = [f"checkpoints/rollout{rollouts:04d}" for rollouts in (4, 8, 12)] if job.stage == "train" else []
    files = [{"name": name, "sha256": NOWHERE} for name in ("config.json", "model.safetensors", "tokenizer.json")]
    facts = {
        "rollouts": 0,
        "final": "weights",
        "checkpoints": [{"rollouts": i, "folder": folder} for i, folder in enumerate(kept)],
        "folders": dict.fromkeys(["weights", *kept], files),
    }
    write_json(path, {"schema": ModelManifest.SCHEMA, "schema_version": 1, **own, **facts})
    if job.stage == "train":
        regime = study.config.regimes[job.regime]
        metrics(job, score, regime.rollouts, regime.minibatches * regime.epochs, status).to_parquet(
            Path(job.outputs["metrics"]), index=False, compression="zstd"
        )
    weights = [f"{path.parent}/{folder}/{file['name']}" for folder in ("weights", *kept) for file in files]
    reads = [read for read in job.reads if Path(read).is_file()]
    record(job, job.records[0], reads, [*job.writes, *weights], seen)


def metrics(job: Job, score: float, rollouts: int, updates: int, status: str) -> pd.DataFrame:
    """A run's reward rises to its score; a run that diverged stops half-way, after an update without a gradient."""
    generator = np.random.default_rng(crc32(job.name.encode()))
    steps = rollouts * updates
    frame = pd.DataFrame(generator.random((steps, len(NEWEST) + len(NO_UPDATE))), columns=[*NEWEST, *NO_UPDATE])
    frame.insert(0, "rollout", np.arange(steps) // updates + 1.0)
    frame.insert(1, "update", np.arange(steps) + 1.0)
    frame["reward"] = frame["correct"] = score * (0.5 + frame["rollout"] / rollouts / 2)
    if "experts" in str(job.spec) or "moe" in job.regime:
        frame[["routing_churn", "routing_drift"]] = generator.random((steps, 2)) / 50
    if status == "diverged":
        frame = frame.iloc[: max(2, steps // 2)].copy()
        frame.iloc[-1, frame.columns.get_loc("grad_norm")] = np.nan
    return frame


def write_scores(job: Job, path: Path, run: Run, jobs: Jobs, score: float, seen: dict[str, str]) -> None:
    """Scores and samples: the score is that of the samples, which are right with this probability."""
    spec, model = job.spec, Path(jobs.model(*run))
    generator = np.random.default_rng(crc32("/".join(map(str, run)).encode()))
    problems, samples = spec.final.problems, spec.final.samples
    right = generator.random((problems, samples)) < score
    shares = right.mean(1)
    own = {"score": float(shares.mean()), "standard_error": float(shares.std() / problems**0.5)}
    own |= {"problems": problems, "samples": samples, "greedy": own["score"], "reward": own["score"], "no_search": 1.0}
    own |= {"sampling_error": float((shares * (1 - shares)).sum() ** 0.5 / problems / samples**0.5)}
    own |= dict.fromkeys(("timeout", "truncated", "unparsable", "replies", "tokens"), 0.0)
    points = (0,) if run[1] == CONTROL else (4, 8, 12)
    facts = {
        "spec": spec.model_dump(mode="json"),
        "run": dict(zip(("task", "regime_name", "method_name", "seed"), run, strict=True)),
        "status": json.loads(model.read_text())["status"],
        "final": own,
        "curve": [{**own, "rollouts": rollouts} for rollouts in points] if spec.curve else [],
        "model_sha256": digest(model),
    }
    write_json(path, {"schema": ScoresManifest.SCHEMA, "schema_version": 1, **facts})
    table = pd.DataFrame({"problem": np.repeat(np.arange(problems), samples), "correct": right.ravel().astype(float)})
    table = table.assign(
        benchmark=spec.benchmark, sample=np.tile(np.arange(samples), problems), reward=table["correct"]
    )
    for column in ("id", "prompt", "completion", "answer", "extracted"):
        table[column] = "a made-up text of some words " + table["problem"].astype(str)
    table.loc[table["problem"] == 0, "completion"] = HOSTILE
    table["reason"] = np.where(right.ravel(), "correct", "wrong")
    target = Path(samples_of(path.as_posix()))
    target.parent.mkdir(exist_ok=True)
    table.to_parquet(target, index=False, compression="zstd")
    inputs = [jobs.data(run[0]), model.as_posix()]
    record(job, record_of(path.as_posix()), inputs, [path.as_posix(), target.as_posix()], seen)


def record(job: Job, path: str, inputs: list[str], outputs: list[str], seen: dict[str, str]) -> None:
    """`seen`: digests of the files so far."""
    seen |= {file: digest(Path(file)) if Path(file).is_file() else NOWHERE for file in outputs}
    facts = {
        "schema": RunRecord.SCHEMA,
        "schema_version": 1,
        "stage": job.stage,
        "spec_sha256": spec_digest(job.spec),
        "code_sha256": code_digest(job.stage, job.parts),
        "env": environment_of(job.stage),
        "lock_sha256": lock_digest(environment_of(job.stage)),
        "inputs": {file: seen[file] for file in inputs},
        "outputs": {file: seen[file] for file in outputs},
        "drift": {},
        "commit": None,
        "dirty": False,
        "began": "2026-02-03T04:05:06Z",
        "seconds": 1.0,
        "cpu_seconds": 1.0,
        "peak_mib": 300,
        "machine": "x86_64",
        "python": "3.11.7",
        "versions": {"pandas": "3.1.1"},
        "rollouts": [{"rollout": i, "sample_seconds": 0.1, "update_seconds": 0.1} for i in range(16)],
    }
    write_json(Path(path), sealed(facts))


def small_study(seeds: int, methods: Collection[str], name: str = "small") -> LoadedStudy:
    """A study of one task under lag, written to config/ of the working directory: math, as the smoke study has it."""
    config = yaml.safe_load((Path(__file__).parent / "workflow/smoke.yaml").read_text(encoding="utf-8"))
    math, near = config["tasks"]["math"], config["regimes"]["near"]
    math["runs"] = {"lag4": list(methods)}
    config |= {"seeds": list(range(seeds)), "tasks": {"math": math}, "regimes": {"lag4": {**near, "lag": 1}}}
    del config["method_table"]
    path = Path("config") / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return load_study(path.as_posix())


def analysed(study: LoadedStudy) -> Path:
    """Analyse the study; return comparisons.json."""
    job = Jobs(study, planned=True).analyse()
    out = Path(job.outputs["comparisons"])
    analyse.run(job.spec.canonical(), Path(Jobs(study, planned=True).paths.results), out)
    return out


def reported(study: LoadedStudy) -> Path:
    """Write the report; return the page."""
    paths = Jobs(study, planned=True).paths
    data = [Path(paths.data.format(task=task)) for task in study.config.tasks]
    report.run(study.report_spec().canonical(), Path(paths.comparisons), Path(paths.gates), data, Path(paths.page))
    return Path(paths.page)


def main(name: str, seeds: int) -> None:
    write_study(load_study(name).seeded(seeds), lambda *run: random.Random(str(run)).uniform(0.4, 0.9))
    for stage in (analysed, reported):
        print(alone(measured, stage, name, seeds))


def measured(stage: Callable[[LoadedStudy], Path], name: str, seeds: int) -> str:
    """What a stage takes in this process, beyond what is loaded already."""
    study = load_study(name).seeded(seeds)
    runs = sum(len(study.arms(task)) * seeds for task in study.config.tasks)
    began, spent, before = time.perf_counter(), cpu(), resident("VmRSS")
    stage(study)
    seconds, more = time.perf_counter() - began, resident("VmHWM") - before
    return f"{stage.__name__}: {runs} runs, {seconds:.0f} s, {cpu() - spent:.0f} CPU s, {more:.0f} MiB more"


def cpu() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    return sum(sum(resource.getrusage(of)[:2]) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
