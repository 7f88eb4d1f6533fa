"""An archive holds what a report is made from, says what it lacks, and is the same for the same content."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from smoothgates.custody import archive
from smoothgates.custody.verify import verify
from smoothgates.errors import BadInput

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


def test_it_holds_source_results_and_report_without_weights(project):
    found = pack(project)
    assert {"Snakefile", "src/smoothgates/mine.py", "config/smoke.yaml", "config/methods.yaml"} <= found.keys()
    assert {f"{RUN}/model.json", f"{RUN}/metrics.parquet", f"{RUN}/run.json"} <= found.keys()
    assert {"reports/smoke/index.html", "reports/smoke/figures/scores.svg"} <= found.keys()
    assert "results/smoke/evaluate/math/near/erf/seed0/samples.parquet/heldout.parquet" in found
    assert not [name for name in found if "weights/" in name or "checkpoints/" in name or "__pycache__" in name]
    assert len([name for name in pack(project, weights=True) if "weights/" in name or "checkpoints/" in name]) == 18


def test_its_sums_are_those_of_sha256sum(project, tmp_path):
    found = pack(project, weights=True)
    listed = [line.split("  ") for line in found.pop(archive.SUMS).decode().splitlines()]
    assert [[hashlib.sha256(content).hexdigest(), name] for name, content in sorted(found.items())] == listed


def test_unpacked_it_verifies_and_knows_what_it_lacks(project, tmp_path, monkeypatch):
    pack(project)
    with tarfile.open("out.tar.gz") as tar:
        tar.extractall(tmp_path / "elsewhere", filter="data")
    monkeypatch.chdir(tmp_path / "elsewhere/smoothgates-smoke")
    audit = verify(project.study)
    assert (audit.findings, sum(audit.notes.values())) == ([], 12)
    Path(f"{RUN}/metrics.parquet").unlink()
    assert len(verify(project.study).findings) == 1


def test_equal_content_gives_equal_bytes(project, monkeypatch):
    monkeypatch.setattr(archive.time, "gmtime", lambda: archive.time.localtime(0))
    archive.run(project.study, Path("a.tar.gz"))
    for path in Path("results").rglob("*"):
        os.utime(path, (1, 1))
    archive.run(project.study, Path("b.tar.gz"))
    assert Path("a.tar.gz").read_bytes() == Path("b.tar.gz").read_bytes()


def test_it_says_when_and_of_what_it_was_made(project, capsys):
    project.edit("config/methods.yaml", "erf:        {gate: erf, tau: [10, 12]}", "erf: {gate: erf, tau: [9, 12]}")
    shutil.rmtree("reports")
    version = json.loads(pack(project)[archive.VERSION])
    assert (version["study"], version["weights"], len(version["made"])) == ("smoke", False, 20)
    assert version["jobs"]["train"] == {"done": 4, "stale": 2}
    assert version["stale"] == ["stale    train math/near/erf/seed0 and 1 more: changed since: spec"]
    out = capsys.readouterr().out
    assert "1 jobs of 23 are not done yet" in out
    assert version["stale"][0] in out


def test_damage_is_refused(project):
    Path(f"{RUN}/weights/model.safetensors").write_bytes(b"")
    with pytest.raises(BadInput, match="its bytes are not those in its record"):
        archive.run(project.study, Path("out.tar.gz"))
    assert not list(Path().glob("*out.tar.gz*"))


def test_foreign_files_stay_at_home(project):
    for name in ("results/smoke/diary.txt", f"{RUN}/.model.json.4711"):
        Path(name).write_text("mine")
    assert not [name for name in pack(project) if "diary" in name or "4711" in name]


def test_with_git_it_holds_what_git_keeps_or_would_keep(project):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    Path(".gitignore").write_text("/results/\n/reports/\n*.pyc\nsecret.yaml\n")
    for name in ("NOTICE", "huge.bin", "config/secret.yaml"):
        Path(name).write_text(name)
    for words in (["init", "-q"], ["add", "Snakefile", "NOTICE", "config/smoke.yaml"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    found = pack(project)
    assert {"NOTICE", "config/methods.yaml", "src/smoothgates/mine.py", f"{RUN}/model.json"} <= found.keys()
    assert not found.keys() & {"huge.bin", "config/secret.yaml"}


def test_a_study_of_elsewhere_is_refused(project, tmp_path_factory):
    folder = shutil.copytree("config", tmp_path_factory.mktemp("elsewhere") / "config")
    project.name = str(folder / "smoke.yaml")
    with pytest.raises(BadInput, match="is outside of the checkout: copy it into config/"):
        archive.config_files(project.study)


def test_what_may_be_run_may_still_be_run(project):
    pack(project)
    with tarfile.open("out.tar.gz") as tar:
        modes = {Path(entry.name).name: entry.mode for entry in tar.getmembers()}
    assert (modes["run.sh"], modes["mine.py"]) == (0o755, 0o644)
