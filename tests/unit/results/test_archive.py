"""An archive has the sources of a report, lists what it lacks, and has the same bytes for the same content."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from rocrate.rocrate import ROCrate

from smoothgates.errors import BadInput
from smoothgates.ops.results import archive
from smoothgates.ops.results.verify import verify
from smoothgates.study.ownership import own_study

RUN = "results/smoke/train/math/near/erf/seed0"


@pytest.fixture
def project(made):
    """The study in a project of a few files."""
    for name in ("Snakefile", "src/smoothgates/mine.py", "src/smoothgates/__pycache__/mine.pyc", "envs/run.sh"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    Path("envs/run.sh").chmod(0o755)
    return made


def pack(project, out: str = "out.tar.gz", **options) -> dict[str, bytes]:
    """Content of a new archive by path."""
    archive.run(project.study, Path(out), **options)
    with tarfile.open(out) as tar:
        return {
            entry.name.removeprefix("smoothgates-smoke/"): tar.extractfile(entry).read() for entry in tar.getmembers()
        }


def test_an_archive_has_source_results_and_report_without_weights(project):
    found = pack(project)
    assert {"Snakefile", "src/smoothgates/mine.py", "config/smoke.yaml", "config/methods.yaml"} <= found.keys()
    assert {f"{RUN}/model.json", f"{RUN}/metrics.parquet", f"{RUN}/run.json"} <= found.keys()
    assert {"reports/smoke/index.html", "reports/smoke/figures/scores.svg"} <= found.keys()
    assert "results/smoke/evaluate/math/near/erf/seed0/samples.parquet/heldout.parquet" in found
    assert not [name for name in found if "weights/" in name or "checkpoints/" in name or "__pycache__" in name]
    assert len([name for name in pack(project, weights=True) if "weights/" in name or "checkpoints/" in name]) == 18


def test_the_checksums_are_those_of_sha256sum(project, tmp_path):
    found = pack(project, weights=True)
    listed = [line.split("  ") for line in found.pop(archive.SUMS).decode().splitlines()]
    assert [[hashlib.sha256(content).hexdigest(), name] for name, content in sorted(found.items())] == listed


def test_an_unpacked_archive_verifies_and_lists_what_it_lacks(project, tmp_path, monkeypatch):
    pack(project)
    with tarfile.open("out.tar.gz") as tar:
        tar.extractall(tmp_path / "elsewhere", filter="data")
    monkeypatch.chdir(tmp_path / "elsewhere/smoothgates-smoke")
    audit = verify(project.study)
    assert (audit.findings, sum(audit.notes.values())) == ([], 12)
    Path(f"{RUN}/metrics.parquet").unlink()
    assert len(verify(project.study).findings) == 1


def test_equal_content_gives_equal_bytes(project):
    """Whenever it is packed."""
    archive.run(project.study, Path("a.tar.gz"))
    for path in Path("results").rglob("*"):
        os.utime(path, (1, 1))
    time.sleep(1.1)
    archive.run(project.study, Path("b.tar.gz"))
    assert Path("a.tar.gz").read_bytes() == Path("b.tar.gz").read_bytes()


def test_an_archive_states_its_version_and_what_is_stale(project, capsys):
    project.edit("config/methods.yaml", "erf:        {gate: erf, tau: [10, 12]}", "erf: {gate: erf, tau: [9, 12]}")
    shutil.rmtree("reports")
    version = json.loads(pack(project)[archive.VERSION])
    assert (version["study"], version["weights"], version["made"]) == ("smoke", False, "2026-02-03T04:06:06Z")
    assert version["jobs"]["train"] == {"done": 4, "stale": 2}
    assert version["stale"] == [
        "stale    train math/near/erf/seed0 and 1 more: changed since: spec",
        "stale    analyse: changed since: spec",
    ]
    out = capsys.readouterr().out
    assert "1 jobs of 25 are not done yet" in out
    assert version["stale"][0] in out


def test_damaged_results_are_refused(project):
    Path(f"{RUN}/weights/model.safetensors").write_bytes(b"")
    with pytest.raises(BadInput, match="does not match the digest in its record"):
        archive.run(project.study, Path("out.tar.gz"))
    assert not list(Path().glob("*out.tar.gz*"))


def test_foreign_files_are_not_archived(project):
    for name in ("results/smoke/diary.txt", f"{RUN}/.model.json.4711"):
        Path(name).write_text("mine")
    assert not [name for name in pack(project) if "diary" in name or "4711" in name]


def git(*words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)


def test_with_git_it_has_tracked_files_and_those_of_the_study(project):
    """`config/.env` is where people keep keys."""
    for name in ("NOTICE", "huge.bin", "config/.env", "config/other.yaml", "src/smoothgates/draft.py"):
        Path(name).write_text(name)
    git("init", "-q")
    git("add", "Snakefile", "NOTICE", "src/smoothgates/mine.py")
    git("commit", "-qm", "x")
    found = pack(project)
    assert {"NOTICE", "config/smoke.yaml", "config/methods.yaml", "src/smoothgates/mine.py"} <= found.keys()
    assert f"{RUN}/model.json" in found
    assert not found.keys() & {"huge.bin", "config/.env", "config/other.yaml", "src/smoothgates/draft.py"}


def test_without_git_it_has_no_hidden_files(project):
    for name in ("config/.env", "src/.secret/key", ".netrc"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(name)
    assert not [name for name in pack(project) if any(part[0] == "." for part in Path(name).parts)]


def test_untracked_code_that_jobs_use_is_named(project, monkeypatch):
    git("init", "-q")
    git("add", "Snakefile")
    monkeypatch.setattr(archive, "imported_by", lambda *_: ["src/smoothgates/mine.py"])
    with pytest.raises(BadInput, match=r"^src/smoothgates/mine\.py: not archived: .* git add it$"):
        archive.run(project.study, Path("out.tar.gz"))


@pytest.mark.parametrize(
    "link", ["docs/notes.md", "config/mine", "results/smoke/train", "results/smoke/data/math/run.json"]
)
@pytest.mark.parametrize("tracked", [True, False])
def test_links_are_refused(link, tracked, project, tmp_path_factory):
    """Whatever is behind one, a folder or a file."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "behind"
    if Path(link).exists():
        shutil.move(link, elsewhere)
    else:
        elsewhere.write_text("mine")
    Path(link).parent.mkdir(exist_ok=True)
    Path(link).symlink_to(elsewhere)
    if tracked:
        git("init", "-q")
        git("add", "Snakefile", "src", "config", *(["docs"] if Path("docs").exists() else []))
    with pytest.raises(BadInput, match=f"^{link}: not archived: expected a file, got a link"):
        archive.run(project.study, Path("out.tar.gz"))
    assert not list(Path().glob("*out.tar.gz*"))


def test_results_may_be_on_another_disk(project, tmp_path_factory):
    shutil.move("results", disk := tmp_path_factory.mktemp("disk") / "results")
    Path("results").symlink_to(disk)
    assert f"{RUN}/model.json" in pack(project)


@pytest.mark.parametrize("table", ["methods.yaml", "../tables/mine.yaml", "{home}/tables/mine.yaml"])
def test_a_study_from_another_folder_is_archived_with_its_table(table, project, tmp_path_factory, monkeypatch, capsys):
    """Its report can be rebuilt in the unpacked archive."""
    home = tmp_path_factory.mktemp("home")
    table = table.format(home=home)
    for name, source in (("own/smoke.yaml", "config/smoke.yaml"), (Path("own", table), "config/methods.yaml")):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, home / name)
    project.name = str(home / "own/smoke.yaml")
    project.edit(project.name, "method_table: methods.yaml", f"method_table: {table}")
    pack(project)
    assert "make report STUDY=study/smoke.yaml" in capsys.readouterr().out
    with tarfile.open("out.tar.gz") as tar:
        tar.extractall("elsewhere", filter="data")
    shutil.rmtree(home)
    monkeypatch.chdir("elsewhere/smoothgates-smoke")
    audit = verify(own_study("study/smoke.yaml"))
    assert (audit.findings, {state for _, state in audit.states}) == ([], {"done"})


def test_an_archive_is_a_workflow_run_crate(project, tmp_path):
    """It meets the demands of the profile, as the library for crates reads it."""
    found = pack(project)
    with tarfile.open("out.tar.gz") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    crate = ROCrate(tmp_path / "unpacked/smoothgates-smoke")
    profiles = {each.id for each in crate.root_dataset["conformsTo"]}
    assert {f"https://w3id.org/ro/wfrun/{kind}/0.5" for kind in ("process", "workflow")} < profiles
    assert all(each["name"] and each["version"] for each in crate.root_dataset["conformsTo"])
    assert all(crate.root_dataset[key] for key in ("name", "description", "datePublished", "license"))
    assert {"File", "SoftwareSourceCode", "ComputationalWorkflow"} == set(crate.mainEntity.type)
    assert (crate.mainEntity.id, crate.mainEntity["programmingLanguage"]["name"]) == ("Snakefile", "Snakemake")
    assert {each["name"]: each["version"] for each in crate.mainEntity["softwareRequirements"]} == {
        "snakemake": "9.27.1",
        "torch": "2.13.0+cpu",
    }
    (run,) = crate.root_dataset["mentions"]
    assert (run.type, run["instrument"]) == ("CreateAction", crate.mainEntity)
    assert (run["startTime"], run["endTime"]) == ("2026-02-03T04:05:06Z", "2026-02-03T04:06:06Z")
    assert {each.id for each in run["object"]} == {"config/smoke.yaml", "config/methods.yaml"}
    results = {each.id for each in run["result"]}
    assert {"reports/smoke/index.html", "results/smoke/analysis/comparisons.json"} < results
    assert "results/smoke/evaluate/math/near/erf/seed0/heldout.json" in results
    assert {each.id for each in crate.data_entities if each.get("about") == run} >= {f"{RUN}/run.json"}
    for entity in crate.data_entities:
        content = found[unquote(entity.id)]
        assert (entity["contentSize"], entity["sha256"]) == (str(len(content)), hashlib.sha256(content).hexdigest())
    assert all(crate.dereference(each.id) for each in [*run["object"], *run["result"]])


def test_a_study_without_results_is_not_archived(project):
    shutil.rmtree("results")
    shutil.rmtree("reports")
    with pytest.raises(BadInput, match="results/smoke: nothing to archive"):
        archive.run(project.study, Path("out.tar.gz"))


def test_executable_files_stay_executable(project):
    pack(project)
    with tarfile.open("out.tar.gz") as tar:
        modes = {Path(entry.name).name: entry.mode for entry in tar.getmembers()}
    assert (modes["run.sh"], modes["mine.py"]) == (0o755, 0o644)
