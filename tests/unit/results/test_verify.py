"""verify finds every file that does not match its record, names the first cause, and reports nothing else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.io.files import digest, write_json
from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.results import archive, show
from smoothgates.ops.results.pruned import PRUNED, pruned_note
from smoothgates.ops.results.verify import verify
from smoothgates.provenance.integrity import read_record

RUN = Path("results/smoke/train/math/near/erf/seed0")


def states(audit):
    return {f"{job.rule} {job.name}".strip(): state for job, state in audit.states if state != "done"}


def found(audit):
    return [(finding.kind, finding.path, finding.why) for finding in audit.findings]


def files():
    return sorted(path for root in ("results", "reports") for path in Path(root).rglob("*") if path.is_file())


def test_nothing_is_wrong_with_a_finished_study(made, capsys):
    audit = verify(made.study)
    assert (states(audit), audit.findings, audit.leftovers, audit.notes) == ({}, [], [], {})
    assert show.run(made.study) == 0
    assert capsys.readouterr().out.endswith("Nothing is wrong.\n")


def test_missing_results_are_not_done_yet_and_no_fault(made):
    shutil.rmtree("results")
    shutil.rmtree("reports")
    audit = verify(made.study)
    assert {state for _, state in audit.states} == {"not yet"}
    assert show.run(made.study) == 0


def test_a_single_flipped_byte_is_found_in_every_file(made):
    """Weights, samples, figures, records: all of them."""
    assert len(files()) > 80
    for i, path in enumerate(files()):
        content = path.read_bytes()
        spoilt = bytearray(content)
        spoilt[(i * 7919) % len(spoilt)] ^= 1 << i % 8
        path.write_bytes(spoilt)
        faults = [finding for finding in verify(made.study).findings if finding.kind == "damaged"]
        assert [finding.path for finding in faults] == [str(path)]
        path.write_bytes(content)
    assert verify(made.study).findings == []


def test_results_made_from_damaged_files_follow(made):
    weights = RUN / "weights/model.safetensors"
    weights.write_bytes(b"")
    audit = verify(made.study)
    assert found(audit) == [("damaged", str(weights), "does not match the digest in its record")]
    assert states(audit) == {
        "train math/near/erf/seed0": "damaged",
        "evaluate math/near/erf/heldout": "follows",
        "analyse": "follows",
        "report": "follows",
    }


def test_missing_and_unreadable_files_are_damaged(made):
    (RUN / "metrics.parquet").unlink()
    weights = RUN / "weights/model.safetensors"
    weights.unlink()
    weights.mkdir()
    assert found(verify(made.study)) == [
        ("damaged", str(RUN / "metrics.parquet"), "no such file"),
        ("damaged", str(weights), "cannot be read: Is a directory"),
    ]


@pytest.mark.parametrize("name", ["weights/model.safetensors", "metrics.parquet", "run.json"])
def test_a_pipe_instead_of_a_file_is_damaged_and_does_not_block(name, made):
    (RUN / name).unlink()
    os.mkfifo(RUN / name)
    assert [(kind, path) for kind, path, _ in found(verify(made.study))] == [("damaged", str(RUN / name))]


@pytest.mark.parametrize("text", ["", "{}", "[1", '{"schema": "smoothgates.run", "schema_version": 1}', "\udcff"])
def test_a_file_that_is_no_record_is_a_damaged_one(text, made):
    (RUN / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    assert [(kind, path) for kind, path, _ in found(verify(made.study))] == [("damaged", str(RUN / "run.json"))]


def test_another_temperature_makes_its_method_stale(made, capsys):
    made.edit("config/methods.yaml", "erf:        {gate: erf, tau: [10, 12]}", "erf: {gate: erf, tau: [9, 12]}")
    audit = verify(made.study)
    assert states(audit) == {
        "train math/near/erf/seed0": "stale",
        "train math/near/erf/seed1": "stale",
        "evaluate math/near/erf/heldout": "follows",
        "analyse": "stale",  # the specs of both contain the digests of the runs' specs
        "report": "stale",
    }
    assert show.run(made.study) == 1
    assert "stale    train math/near/erf/seed0 and 1 more: changed since: spec\n" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["code", "lock"])
def test_changed_code_and_packages_make_results_stale(what, made):
    made.amend(f"{RUN}/run.json", **{f"{what}_sha256": "0" * 64})
    assert found(verify(made.study)) == [("stale", str(RUN / "run.json"), f"changed since: {what}")]


def test_changed_data_are_the_only_cause_named(made, capsys):
    job = made.job("prepare", "math")
    Path(job.writes[0]).write_text("other data")
    made.record(Path(job.records[0]), job, [], [Path(job.writes[0])])
    audit = verify(made.study)
    assert {finding.why for finding in audit.findings} == {f"changed since: input {job.writes[0]}"}
    assert {finding.rule for finding in audit.findings} == {"warm_start", "sft", "train", "evaluate", "report"}
    assert "train toolqa/near/grpo/seed0" not in states(audit)
    assert states(audit)["analyse"] == "follows"
    show.run(made.study)
    assert capsys.readouterr().out.count("\nstale    ") == 5, "one line a rule"


def test_a_missing_input_is_named(made):
    data = "results/smoke/data/math/manifest.json"
    Path(data).unlink()
    audit = verify(made.study)
    assert states(audit)["prepare math"] == "not yet"
    assert {finding.why for finding in audit.findings} == {f"changed since: input {data}"}


def test_a_new_seed_is_not_done_and_makes_the_tables_stale(made):
    made.edit("config/smoke.yaml", "seeds: [0, 1]", "seeds: [0, 1, 2]")
    audit = verify(made.study)
    assert states(audit)["train math/near/erf/seed2"] == "not yet"
    assert states(audit)["evaluate math/near/erf/heldout"] == "not yet"
    assert states(audit)["analyse"] == "stale"
    assert "train math/near/erf/seed0" not in states(audit)
    assert [(finding.rule, finding.kind) for finding in audit.findings] == [("analyse", "stale"), ("report", "stale")]


def test_files_of_no_job_are_foreign(made):
    made.edit("config/smoke.yaml", "near: [grpo, erf]", "near: [grpo]")
    Path("results/smoke/notes.txt").write_text("mine")
    strays = {finding.path for finding in verify(made.study).findings if finding.is_stray}
    assert strays == {"results/smoke/notes.txt", *(str(path) for path in files() if "/erf/" in str(path))}


def test_results_without_a_record_are_foreign(made):
    (RUN / "run.json").unlink()
    audit = verify(made.study)
    assert states(audit)["train math/near/erf/seed0"] == "foreign"
    assert ("foreign", str(RUN / "model.json"), f"{RUN}/run.json does not list it") in found(audit)


def test_results_of_another_study_are_foreign(made):
    """Copied with their records, they look finished."""
    shutil.copy("config/smoke.yaml", "config/mine.yaml")
    shutil.copytree("results/smoke", "results/mine")
    made.name = "mine"
    audit = verify(made.study)
    assert {state for job, state in audit.states} == {"foreign", "not yet"}
    assert audit.jobs("not yet") == [made.job("report")]


@pytest.mark.parametrize("path", ["../../outside", f"{RUN}/../outside", "/outside", "config/methods.yaml"])
def test_a_record_that_lists_files_outside_its_folder_is_damaged(path, made):
    """An archive would contain these files, and unpack them outside its folder."""
    outputs = read_record(RUN / "run.json")["outputs"]
    made.amend(f"{RUN}/run.json", outputs={**outputs, path: digest(Path("config/methods.yaml"))})
    why = f"outputs: {path} is not below its folder"
    assert ("damaged", str(RUN / "run.json"), why) in found(verify(made.study))
    with pytest.raises(BadInput, match="is not below its folder"):
        archive.run(made.study, Path("out.tar.gz"), weights=True)


def test_temporary_files_of_a_killed_process_are_no_fault(made):
    leftover = RUN / ".model.json.4711@elsewhere.smoothgates"
    folder = Path("reports/smoke/.new.4711@elsewhere.smoothgates")
    leftover.write_text("{")
    (folder / "figures").mkdir(parents=True)
    for name in ("figures/scores.svg", "figures/gates.svg", ".index.html.4711"):
        (folder / name).write_text("")
    audit = verify(made.study)
    assert (audit.leftovers, audit.findings) == ([str(folder), str(leftover)], [])


def test_files_of_an_unfinished_run_are_not_foreign(made):
    """Snakemake deletes only the declared outputs before it starts a job again."""
    (RUN / "model.json").unlink()
    (RUN / "metrics.parquet").unlink()
    (RUN / "checkpoints/half").write_text("")
    audit = verify(made.study)
    assert states(audit)["train math/near/erf/seed0"] == "not yet"
    assert [finding.job for finding in audit.findings] == ["math/near/erf/heldout"]


def test_links_are_not_followed(made, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "file").write_text("")
    Path("results/smoke/link").symlink_to(elsewhere)
    assert found(verify(made.study)) == [("foreign", "results/smoke/link", "no job makes it")]


def test_pruned_checkpoints_are_no_damage(made):
    shutil.rmtree(RUN / "checkpoints")
    assert len(found(verify(made.study))) == 1
    write_json(RUN / PRUNED, pruned_note(RUN / "run.json", ["checkpoints/rollout0001"]))
    audit = verify(made.study)
    assert (audit.findings, list(audit.notes.values())) == ([], [1])
    made.amend(f"{RUN}/run.json", dirty=True)
    assert len(found(verify(made.study))) == 1, "the note is about a result that is no more"


def test_json_has_everything(made, capsys):
    (RUN / "weights/model.safetensors").write_bytes(b"")
    assert show.run(made.study, as_json=True) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["jobs"]["train"] == {"done": 5, "damaged": 1}
    assert data["findings"][0]["path"] == str(RUN / "weights/model.safetensors")
    assert sum(sum(row.values()) for row in data["jobs"].values()) == len(jobs_of(made.study))


@pytest.mark.parametrize(
    "folders",
    [
        ["."],
        [""],
        [".."],
        ["/etc"],
        ["weights"],
        ["checkpoints"],
        ["../seed1"],
        ["checkpoints/rollout9999"],
        "checkpoints/rollout0001",
        None,
        [1],
    ],
)
def test_nothing_but_a_checkpoint_may_be_left_out(folders, made):
    """Metrics and final weights are never left out on purpose."""
    (RUN / "metrics.parquet").unlink()
    note = {**pruned_note(RUN / "run.json", []), "folders": folders}
    write_json(RUN / PRUNED, note)
    audit = verify(made.study)
    assert [(kind, path) for kind, path, _ in found(audit)] == [("damaged", str(RUN / "run.json"))]
    assert f"{RUN / PRUNED}: folders: " in found(audit)[0][2]


def test_a_checkpoint_that_is_a_link_is_not_left_out(made, tmp_path_factory):
    folder = RUN / "checkpoints/rollout0001"
    shutil.move(folder, elsewhere := tmp_path_factory.mktemp("elsewhere") / "rollout0001")
    folder.symlink_to(elsewhere)
    write_json(RUN / PRUNED, pruned_note(RUN / "run.json", ["checkpoints/rollout0001"]))
    assert found(verify(made.study))


def test_missing_metrics_are_always_a_fault(made):
    """Even if pruned.json says that checkpoints were pruned."""
    shutil.rmtree(RUN / "checkpoints")
    write_json(RUN / PRUNED, pruned_note(RUN / "run.json", ["checkpoints/rollout0001"]))
    (RUN / "metrics.parquet").unlink()
    assert found(verify(made.study)) == [("damaged", str(RUN / "metrics.parquet"), "no such file")]
