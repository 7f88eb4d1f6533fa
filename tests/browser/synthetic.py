"""The results of a study that never ran, with planted effects and hostile completions; and the report on them."""

import json
import math
import random
import shutil
from itertools import product
from pathlib import Path

import pandas as pd

from smoothgates.analysis.compare import comparisons, summaries, too_large
from smoothgates.analysis.outcomes import collapsed
from smoothgates.analysis.verdicts import Results, verdicts
from smoothgates.io.files import write_json
from smoothgates.io.manifests.comparisons import ComparisonsManifest
from smoothgates.io.manifests.verdicts import VerdictsManifest
from smoothgates.io.paths import Paths, record_of, samples_of
from smoothgates.provenance.run_record import Execution
from smoothgates.report.runs import results_of
from smoothgates.specs.control import CONTROL
from smoothgates.stages import gates, report
from smoothgates.study.loader import LoadedStudy

HOSTILE = (
    '</script><script>document.title = "owned"</script><img src=x onerror="document.title=1">\x00\u202e{{ 7 * 7 }}'
)
EFFECTS = {"sapo": -0.3, "erf": -0.1, "gspo": 0.002}
"""By method: its difference from the reference under lag."""
QUANTILES = [f"log_ratio_q{at}" for at in ("01", "05", "25", "50", "75", "95", "99")]
UPDATE = ("clamped", "sampler_gap", "log_ratio_max", "attenuated", "kl", "eur", "phi", "ess", *QUANTILES)


def write_results(study: LoadedStudy, seeds: tuple[int, ...], rollouts: int = 6) -> Path:
    """Write what `analyse` and `gates` write, the samples of each run, and all records; under the working directory.

    Returns the path of comparisons.json.
    """
    spec = study.analyse_spec().model_copy(update={"seeds": seeds})
    paths = Paths(study.name)
    gates.run(study.config.gates.canonical(), Path(paths.gate_curves), Path(paths.gates))
    theory = json.loads(Path(paths.gates).read_text())["theory"]
    runs, learning, curves = [], [], []
    for task, arms in spec.tasks.items():
        for (regime, method), seed, benchmark in product(arms.arms, seeds, arms.benchmarks):
            keys = {"task": task, "regime": regime, "method": method, "seed": seed}
            dice = random.Random(f"{keys}")
            score = _score(regime, method, seed, dice)
            runs.append({**keys, "benchmark": benchmark, **_final(score)})
            if regime == CONTROL:
                learning.append({**keys, "benchmark": benchmark, "rollouts": 0, "score": score})
                continue
            learning += [
                {**keys, "benchmark": benchmark, "rollouts": at, "score": 0.4 + (score - 0.4) * at / rollouts}
                for at in (rollouts // 2, rollouts)
            ]
            if benchmark == arms.benchmarks[0]:
                moe = regime in study.config.moe_regimes
                curves += [{**keys, **_update(at, moe, dice)} for at in range(2 * rollouts)]
            if seed == seeds[0]:
                scores = Path(paths.scores.format(**keys, benchmark=benchmark))
                write_samples(scores, benchmark, solved=dice.random() < score)
                files = [scores, Path(samples_of(scores.as_posix()))]
                Execution("evaluate", spec, inputs=[]).write(Path(record_of(scores.as_posix())), files)
    table, updates = pd.DataFrame(runs), pd.DataFrame(curves)
    starts = {(task, regime): start for task, arms in spec.tasks.items() for regime, start in arms.starts.items()}
    table["collapsed"] = collapsed(table, starts)
    compared = comparisons(table, spec.reference, spec.confidence)
    out, judged = Path(paths.comparisons), verdicts(Results(spec, table, updates, theory, paths))
    frames = dict(zip(paths.tables, (table, pd.DataFrame(learning), updates), strict=True))
    for path, frame in frames.items():
        frame.to_parquet(path)
    write_json(Path(paths.verdicts), {"schema": VerdictsManifest.SCHEMA, "schema_version": 1, **judged})
    facts = {"schema": ComparisonsManifest.SCHEMA, "schema_version": 1, "spec": spec.model_dump(mode="json")}
    facts |= {"gaps": [], "warnings": too_large(compared, spec.confidence), "comparisons": compared}
    write_json(out, facts | {"summaries": summaries(table, spec.confidence)})
    record = Path(record_of(paths.comparisons))
    Execution("analyse", spec, inputs=[]).write(record, [out, Path(paths.verdicts), *map(Path, frames)])
    for result in results_of(paths, spec, study.report_spec()):
        made = Path(record_of(result))
        made.parent.mkdir(parents=True, exist_ok=True)
        if not made.exists():
            shutil.copy(record, made)
    return out


def write_report(study: LoadedStudy, compared: Path, page: Path) -> None:
    """Write the report on these results."""
    made = json.loads(Path(record_of(compared.as_posix())).read_text())
    spec = study.report_spec().model_copy(update={"analysed": made["spec_sha256"]})  # which has other seeds
    report.run(spec.canonical(), compared, Path(Paths(study.name).gates), [], page)


def _score(regime: str, method: str, seed: int, dice: random.Random) -> float:
    start = {"warm_start": 0.4, "warm_start_moe": 0.3, "sft": 0.85}.get(method, 0.8)
    effect = EFFECTS.get(method, 0.0) if regime == "lag4" else 0.0
    return min(1.0, max(0.0, start + effect + 0.03 * math.sin(seed) + dice.gauss(0, 0.01)))


def _final(score: float) -> dict:
    rates = dict.fromkeys(("truncated", "unparsable", "timeout", "no_search", "replies"), 0.0)
    errors = {"standard_error": 0.01, "sampling_error": 0.005}
    run = {"mean_reward": score, "drawdown": 0.1, "mean_kl": 0.01, "mean_eur": 0.9, "max_grad_norm": 2.0}
    run |= {"grad_spikes": 0.0, "max_log_ratio": 1.0, "clamped": 0.0, "max_sampler_gap": 0.0}
    sizes = {"problems": 128, "samples": 4, "tokens": 20.0, "status": "finished"}
    return {"score": score, "reward": score, "greedy": score, "pass_at_4": score, **rates, **errors, **run, **sizes}


def _update(at: int, moe: bool, dice: random.Random) -> dict:
    row = {"rollout": float(at // 2 + 1), "update": float(at + 1), "grad_norm": 1 + dice.random()}
    row |= {"reward": 0.5 + 0.02 * at, "correct": 0.5 + 0.02 * at, "policy_entropy": 1.0 - 0.02 * at, "entropy": 1.0}
    row |= {name: 0.1 * dice.random() for name in UPDATE} | {"eur": 0.8 + 0.1 * dice.random()}
    row |= {"log_ratio_q01": -0.2 - 0.1 * dice.random(), "log_ratio_q05": -0.1}
    return row | dict.fromkeys(("routing_churn", "routing_drift"), 0.1 * dice.random() if moe else math.nan)


def write_samples(scores: Path, benchmark: str, solved: bool) -> None:
    samples = Path(samples_of(scores.as_posix()))
    samples.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        [
            {"benchmark": benchmark, "problem": problem, "sample": 0, "prompt": f"2 + {problem} < 9?", "answer": "yes",
             "completion": HOSTILE if problem == 0 else "yes", "extracted": None if problem == 0 else "yes",
             "correct": float(solved and problem > 0), "reason": "correct" if solved and problem else "wrong"}
            for problem in range(3)
        ]
    ).to_parquet(samples)  # fmt: skip
    scores.write_text("{}")
