"""What `plan` says is what the past says, or a model whose figures lie near what was measured."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.plan.load import Load, Rollouts, load_of
from smoothgates.ops.plan.machine import load_machines, machine_for
from smoothgates.ops.plan.model import cost
from smoothgates.ops.plan.plan import plan
from smoothgates.ops.plan.schedule import wall_seconds
from smoothgates.ops.plan.show import run, text
from smoothgates.policy.shape import KNOWN, shape_of
from smoothgates.provenance.code_closure import code_digest
from smoothgates.provenance.environments import environment_of, lock_digest
from smoothgates.provenance.run_record import spec_digest
from smoothgates.specs.rollout import SamplerConfig
from smoothgates.specs.train import EngineConfig
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]
LAPTOP153 = str(ROOT / "tests/bench/laptop153.yaml")
QWEN_7B = KNOWN["Qwen/Qwen2.5-7B-Instruct"]
QWEN_30B = KNOWN["Qwen/Qwen3-30B-A3B-Base"]


# Mean seconds a job of the laptop study of 153 runs took on two cores of a small server, its start included. Warm
# starts have fewer updates since then: their seconds beyond the start, and the wall time, are scaled to that.
LAPTOP_SECONDS = {
    "prepare": 3.0,
    "warm_start": 13.6,
    "warm_start_moe": 15.6,
    "sft": 4.3,
    "train": 5.1,
    "evaluate": 6.0,
    "check_gate": 3.0,
    "gates": 3.0,
    "analyse": 3.3,
    "report": 8.5,
}
LAPTOP_WALL = 690
LAPTOP_MEBIBYTES = {"train": 433, "evaluate": 495, "warm_start": 422, "sft": 420}

PAPER = Load(
    shape=QWEN_7B,
    rollouts=(Rollouts(2500, 16, 8),),
    prompt=200,
    completion=0.6 * 512,
    decoded=512,
    longest=1536 + 512,
    scored=2500 * 128,
    updates=5000,
    sequences=128,
    engine=EngineConfig(
        kind="deepspeed", zero=3, dtype="bfloat16", gradient_checkpointing=True, tokens=2048, logits=1024
    ),
    sampler=SamplerConfig(kind="vllm", memory=0.3),
    kept=1,
)
"""One run of 2602.19345: 5,000 updates of 128 completions, two on each rollout."""


def with_engine(load: Load, **changes) -> Load:
    return replace(load, engine=load.engine.model_copy(update=changes))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with a small study in config/ and no results."""
    (tmp_path / "config").mkdir()
    for name in ("methods.yaml", "machines.yaml", "laptop.yaml"):
        shutil.copy(ROOT / "config" / name, tmp_path / "config")
    shutil.copy(ROOT / "tests/workflow/smoke.yaml", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finish(job, seconds: float, **facts) -> None:
    """Leave what the job would have left, as if it had taken so long."""
    for path in job.writes:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps({"spec": job.spec.model_dump(mode="json")}))
    for path in job.records:
        record = {
            "schema": "smoothgates.run",
            "schema_version": 1,
            "spec_sha256": spec_digest(job.spec),
            "code_sha256": code_digest(job.stage, job.parts),
            "lock_sha256": lock_digest(environment_of(job.stage)),
            "stage": job.stage,
            "inputs": {},
            "outputs": {},
            "drift": {},
            "dirty": False,
            "versions": {},
            "began": "2026-02-03T04:05:06Z",
            "seconds": seconds / len(job.records),
            "peak_mib": 500,
        }
        Path(path).write_text(json.dumps(record | facts))


def rows_of(found) -> dict:
    return {row.rule: row for row in found.rows}


def test_parameters_are_those_of_the_real_policy():
    from smoothgates.policy.decoder import Decoder

    arch = load_study("laptop", ROOT / "config").config.architecture
    assert shape_of(arch).parameters == sum(p.numel() for p in Decoder(arch).parameters()) == 106048


def test_the_model_alone_is_near_what_the_laptop_study_took(place):
    found = plan(load_study(LAPTOP153), "cpu", concurrency=2)
    for rule, row in rows_of(found).items():
        assert LAPTOP_SECONDS[rule] / 2 < row.seconds_per_job < LAPTOP_SECONDS[rule] * 2, rule
        if rule in LAPTOP_MEBIBYTES:
            assert LAPTOP_MEBIBYTES[rule] / 1.5 < row.peak_bytes / 2**20 < LAPTOP_MEBIBYTES[rule] * 1.5, rule
    assert LAPTOP_WALL / 1.5 < found.wall_seconds < LAPTOP_WALL * 1.5


def test_the_past_foretells_the_laptop_study(place):
    study = load_study(LAPTOP153)
    start = load_machines()["cpu"].start_seconds
    for job in jobs_of(study):
        finish(job, LAPTOP_SECONDS[job.rule] - start)
    found = plan(study, "cpu", concurrency=2)
    assert LAPTOP_WALL / 1.3 < found.wall_seconds < LAPTOP_WALL * 1.3
    assert found.wall_seconds_to_do == sum(row.to_do for row in found.rows) == 0
    for rule, row in rows_of(found).items():
        assert row.seconds_per_job == pytest.approx(LAPTOP_SECONDS[rule], rel=0.1)


def test_a_measured_job_speaks_for_its_like(place):
    study = load_study("smoke")
    trained = [job for job in jobs_of(study) if job.rule == "train"]
    modelled = rows_of(plan(study, concurrency=2))
    finish(trained[0], 100)
    row = rows_of(plan(study, concurrency=2))["train"]
    assert row.source == "measured: 1 job"
    assert row.seconds_per_job > 50 > 10 * modelled["train"].seconds_per_job
    assert row.peak_bytes == pytest.approx(500 * 2**20, rel=0.1)
    assert rows_of(plan(study, concurrency=2))["prepare"] == modelled["prepare"]


def test_attempts_count_together(place):
    study = load_study("smoke")
    job = next(job for job in jobs_of(study) if job.rule == "train")
    finish(job, 5, attempts=[{"seconds": 60.0}, {"seconds": 40.0}])
    assert rows_of(plan(study))["train"].seconds_per_job > 50


def test_files_that_records_list_are_measured(place):
    study = load_study("smoke")
    job = next(job for job in jobs_of(study) if job.rule == "prepare")
    Path("big").write_bytes(b"0" * 10**6)
    finish(job, 1, outputs={"big": "0" * 64})
    row = rows_of(plan(study))["prepare"]
    assert row.bytes == pytest.approx(row.jobs * 10**6)


def test_jobs_of_another_study_speak_where_there_are_none(place):
    config = Path("config/laptop.yaml")
    config.write_text(config.read_text().replace("steps: ", "steps: 9"))
    for job in jobs_of(load_study("smoke")):
        finish(job, 6)
    found = rows_of(plan(load_study("laptop")))
    assert found["train"].source == "measured: median of 6 jobs of smoke"
    assert found["warm_start"].source == "model"  # more than ten times as long: of another scale


def test_jobs_of_the_same_stage_speak_where_the_rule_has_none(place):
    study = load_study("smoke")
    finish(next(job for job in jobs_of(study) if job.rule == "warm_start"), 6)
    assert rows_of(plan(study))["sft"].source == "measured: 1 job of stage policy"


def test_the_past_of_an_edited_spec_is_scaled(place):
    """What a job took with half the rollouts counts for the whole, in the proportion of the model."""

    def modelled(study) -> float:
        jobs = [job for job in jobs_of(study) if job.rule == "train"]
        return sum(cost(load_of(job, study), load_machines()["cpu"]).seconds for job in jobs) / len(jobs)

    config = Path("config/laptop.yaml")
    whole = config.read_text()
    config.write_text(whole.replace("rollouts: 12", "rollouts: 6"))
    study = load_study("laptop")
    finish(next(job for job in jobs_of(study) if job.name == "math/lag4/grpo/seed0"), 1000)
    before = rows_of(plan(study))["train"]
    config.write_text(whole)
    edited = load_study("laptop")
    after = rows_of(plan(edited))["train"]
    assert after.source == before.source == "measured: 1 job"
    assert after.to_do == after.jobs
    assert after.seconds_per_job / before.seconds_per_job == pytest.approx(modelled(edited) / modelled(study))
    assert modelled(edited) > 1.1 * modelled(study)


def test_what_reads_from_a_job_to_do_is_to_do(place):
    study = load_study("smoke")
    jobs = jobs_of(study)
    for job in jobs:
        finish(job, 1)
    assert sum(row.to_do for row in plan(study).rows) == 0
    trained = next(job for job in jobs if job.name == "math/near/erf/seed1")
    for broken in ({"code_sha256": "0"}, {"spec_sha256": "0"}, {"lock_sha256": "0"}):
        finish(trained, 1, **broken)
        to_do = {rule: row.to_do for rule, row in rows_of(plan(study)).items() if row.to_do}
        assert to_do == {"train": 1, "evaluate": 1, "analyse": 1, "report": 1}
    finish(trained, 1)
    Path(trained.writes[0]).unlink()
    assert rows_of(plan(study))["train"].to_do == 1


def test_a_damaged_record_is_no_past(place):
    study = load_study("smoke")
    job = next(job for job in jobs_of(study) if job.rule == "train")
    finish(job, 100)
    Path(job.records[0]).write_text("{")
    row = rows_of(plan(study))["train"]
    assert (row.source, row.to_do) == ("model", row.jobs)


def test_the_past_is_silent_on_another_device(place):
    study = load_study("smoke")
    for job in jobs_of(study):
        finish(job, 1000)
    found = plan(study, "h100")
    assert {row.source for row in found.rows} == {"model"}
    assert {rule for rule, row in rows_of(found).items() if row.gpus} == {"warm_start", "sft", "train", "evaluate"}


def test_wall_time_knows_who_waits_for_whom(place):
    jobs = jobs_of(load_study("smoke"))
    ones = [1.0] * len(jobs)
    assert wall_seconds(jobs, ones, 1) == len(jobs)
    assert wall_seconds(jobs, ones, len(jobs)) == 6  # prepare, warm start, train, evaluate, analyse, report
    assert wall_seconds(jobs, ones, 2) >= len(jobs) / 2
    assert wall_seconds([], [], 2) == 0


@pytest.mark.parametrize(("machine", "hours"), [("a100", 22.5), ("h100", 16.3), ("h200", 15.6)])
def test_the_time_of_a_7b_run_is_that_of_a_calculation_by_hand(machine, hours):
    """On 8 × A100, in hours. Handing over: 2500 × 2 × 15.2 GB at 2 GB/s, 10.6. Sampling: 2500 × 512 passes of 14.1 GB
    at 0.6 × 2039 GB/s, and 3 ms each, 5.2. Training: 5000 × 4 × 128 × 507 tokens × 14.2 GFLOP at 8 × 0.35 × 312
    TFLOP/s, 5.9. Old log-probabilities: 2500 × 128 × 507 tokens, 0.7. The others differ by their FLOP/s and bandwidth.
    """
    found = cost(PAPER, load_machines(ROOT / "config/machines.yaml")[machine])
    assert found.accelerators == 8
    assert found.seconds / 3600 == pytest.approx(hours, rel=0.01)


def test_memory_of_7b_full_training():
    """18 bytes a parameter: 137 GB whole, 17 GB an eighth, to which come a gathered layer with the embedding, 1.6 GB,
    libraries, 3 GB, and activations; or instead of these the sampler's share, 24 GB of 80.
    """
    machine = load_machines(ROOT / "config/machines.yaml")["a100"]
    trained = replace(PAPER, rollouts=())
    assert 21.7e9 < cost(trained, machine).memory < 25e9
    assert 45e9 < cost(PAPER, machine).memory < 47e9
    assert cost(PAPER, machine.model_copy(update={"accelerators": 1})).memory > 137e9
    assert cost(PAPER, machine).work == 2 * QWEN_7B.parameters * (2 + 8 + 4)
    assert cost(PAPER, machine).results == pytest.approx(2 * QWEN_7B.parameters)


def test_memory_is_what_the_engine_divides():
    """Of 7.6 billion: weights 2 bytes, gradients 4, optimiser 12, each divided by 8 from its ZeRO stage on."""
    machine, size = load_machines(ROOT / "config/machines.yaml")["a100"], QWEN_7B.parameters
    trained = replace(PAPER, rollouts=())
    by_stage = {zero: cost(with_engine(trained, zero=zero), machine).memory for zero in (1, 2, 3)}
    assert by_stage[1] - by_stage[2] == pytest.approx(4 * size * 7 / 8)
    assert by_stage[2] - by_stage[3] == pytest.approx(2 * size * 7 / 8, rel=0.15)  # less what is gathered
    kept = cost(with_engine(trained, offload=True), machine).memory
    assert by_stage[3] - kept == pytest.approx(12 * size / 8)


def test_memory_of_activations_is_what_a_micro_batch_needs():
    """2,048 tokens: without recomputation 28 layers of 10 × 3584 + 4 × 18944 numbers of 2 bytes, 12.8 GB; with it an
    eighth of that at most. Logits of all of them: 2 × 4 × 2048 × 152064 bytes, 2.5 GB; of half as many, half.
    """
    machine = load_machines(ROOT / "config/machines.yaml")["h200"]
    trained = replace(PAPER, rollouts=())
    least = cost(trained, machine).memory
    assert cost(with_engine(trained, gradient_checkpointing=False), machine).memory - least > 7 / 8 * 12.8e9 - 1e9
    assert cost(with_engine(trained, logits=None), machine).memory - least == pytest.approx(2.5e9 / 2, rel=0.01)
    assert cost(with_engine(trained, tokens=4096), machine).memory > least
    assert cost(with_engine(trained, tokens=1024), machine).memory == least  # a sequence is not divided


def test_vllm_takes_its_share_or_what_it_must():
    machine = load_machines(ROOT / "config/machines.yaml")["h200"]
    evaluated = replace(PAPER, updates=0, scored=0, shape=QWEN_30B)
    weights = 2 * QWEN_30B.parameters
    asked = {share: replace(evaluated, sampler=SamplerConfig(kind="vllm", memory=share)) for share in (0.3, 0.8)}
    assert cost(asked[0.8], machine).memory == pytest.approx(3e9 + 0.8 * 141e9)
    assert weights < cost(asked[0.3], machine).memory - 3e9 < 1.01 * weights  # 42 GB would not hold 61
    assert cost(replace(evaluated, sampler=SamplerConfig()), machine).memory > 3e9 + weights


def test_a_large_policy_costs_more_than_arithmetic_to_hand_over():
    """15 GB written and read before each of 2,500 rollouts, 2 GB a second: ten hours."""
    machine = load_machines(ROOT / "config/machines.yaml")["a100"]
    handed = cost(PAPER, machine).seconds - cost(replace(PAPER, sampler=SamplerConfig()), machine).seconds
    assert handed - machine.engine_seconds == pytest.approx(2500 * 2 * 2 * QWEN_7B.parameters / 2e9)


def test_what_does_not_fit_is_said(place):
    found = plan(load_study("smoke"))
    big = replace(found, rows=[replace(found.rows[0], rule="train", peak_bytes=9e9)])
    assert "Too large  train" in text(big)
    assert "Too large" not in text(found)


def test_decoding_is_bound_by_memory_and_training_by_arithmetic():
    machine = load_machines(ROOT / "config/machines.yaml")["h100"]
    faster = machine.model_copy(update={"bandwidth_gbs": 2 * machine.bandwidth_gbs})
    stronger = machine.model_copy(update={"tflops": 2 * machine.tflops})
    sampled = replace(PAPER, updates=0, scored=0)
    assert cost(sampled, faster).seconds < 0.8 * cost(sampled, machine).seconds
    assert cost(sampled, stronger).seconds > 0.9 * cost(sampled, machine).seconds
    trained = with_engine(replace(PAPER, rollouts=(), scored=0), tokens=32768)
    assert cost(trained, faster).seconds == cost(trained, machine).seconds
    assert cost(trained, stronger).seconds < 0.6 * cost(trained, machine).seconds


def test_an_index_costs_by_the_size_of_its_corpus(place):
    from smoothgates.jobs.dag import Job
    from smoothgates.retrieval.spec import IndexSpec

    Path("corpus.jsonl").write_bytes(b"0" * 10**7)
    study, machine = load_study("smoke"), load_machines()["cpu"]
    job = Job("index", IndexSpec(kind="bm25", corpus=("corpus.jsonl",)), {"corpus": ("corpus.jsonl",)}, {})
    dense = replace(job, spec=IndexSpec(kind="dense_flat", corpus=("corpus.jsonl",), encoder="e5"))
    assert 2 < cost(load_of(job, study), machine).seconds < 10
    assert cost(load_of(dense, study), machine).seconds > 10 * cost(load_of(job, study), machine).seconds
    h100 = load_machines()["h100"]
    assert cost(load_of(dense, study), h100).accelerators == 1
    assert cost(load_of(job, study), h100).accelerators == 0
    absent = replace(job, inputs={})
    assert load_of(absent, study).bytes_left > 1000 * load_of(job, study).bytes_left  # taken to be Wikipedia


def test_machines_go_by_name_and_number(place):
    assert machine_for(None, "cpu")[0] == "cpu"
    assert machine_for(None, "cuda")[1].accelerators == 8
    assert machine_for("h200x2", "cuda")[1].accelerators == 2
    for wrong in ("h300", "h100x0", "h100x", "x8"):
        with pytest.raises(BadInput, match="--machine: expected one of cpu, h100"):
            machine_for(wrong, "cuda")


def test_json_holds_every_figure_of_the_table(place, capsys):
    run("smoke", concurrency=3, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["concurrency"] == 3
    run("smoke", concurrency=3)
    table = capsys.readouterr().out
    for row in found["rows"]:
        assert f"\n{row['rule']} " in table


def test_a_plan_loads_nothing_heavy(place):
    import subprocess
    import sys

    script = (
        "import sys; from smoothgates.ops.plan.show import run; run('laptop');"
        "sys.exit(bool({'torch', 'numpy', 'pandas', 'pyarrow', 'snakemake'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
