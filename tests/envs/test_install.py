"""The locks are installed from the package index, and pip checks the hash of every file.

Two minutes of CPU time, and some 1.5 GB of disk. The environments with torch are left out: train alone downloads 3 GB.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONDA = """\
#!/usr/bin/env bash
# The commands of conda that Snakemake calls. It makes a venv, because there is no channel to install from.
case "$*" in
  "info --json") echo '{{"conda_prefix": "{prefix}", "platform": "linux-64"}}' ;;
  "--version") echo "conda 25.9.1" ;;
  "config --get"*) echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
  "env create"*) {python} -m venv "${{@: -1}}" ;;
esac
"""
RULE = """\
rule page:
    output: "drift.txt"
    conda: "{root}/envs/report.yaml"
    shell:
        "PYTHONPATH={root}/src python -c 'import smoothgates.stages.analyse, smoothgates.stages.report;"
        " from smoothgates.provenance.environments import drift; print(drift(\\"report\\"))' > {{output}}"
"""


def run(*command, path, cwd=ROOT, ok=True):
    """Output of a command that is run with a folder first on PATH."""
    env = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


def new_venv(folder):
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / "bin"


def test_control_evaluates_the_workflow_without_torch(tmp_path):
    bin_ = new_venv(tmp_path / "control")
    run("bash", "envs/control.post-deploy.sh", path=bin_)
    assert "No broken requirements" in run("pip", "check", path=bin_)
    line = "from smoothgates.provenance.environments import drift; print(drift('control'))"
    assert run("python", "-c", line, path=bin_, cwd=ROOT / "src") == "{}\n"
    checkout = tmp_path / "checkout"
    for name in ("workflow", "src", "envs", "config"):
        shutil.copytree(ROOT / name, checkout / name)
    shutil.copy(ROOT / "Snakefile", checkout)
    installed = ("env", f"PYTHONPATH={checkout}/src")
    jobs = run(*installed, "snakemake", "--dry-run", "--profile", "workflow/profiles/local", path=bin_, cwd=checkout)
    assert "train " in jobs


def test_snakemake_builds_the_report_environment_as_with_conda_and_needs_no_torch(tmp_path):
    conda = tmp_path / "bin/conda"
    conda.parent.mkdir()
    conda.write_text(CONDA.format(prefix=tmp_path, python=sys.executable))
    conda.chmod(0o755)
    (conda.parent / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    (tmp_path / "Snakefile").write_text(RULE.format(root=ROOT))
    snakemake = (sys.executable, "-m", "snakemake", "--cores", "1", "--sdm", "conda")
    run(*snakemake, "--conda-create-envs-only", path=conda.parent, cwd=tmp_path)
    run(*snakemake, path=conda.parent, cwd=tmp_path)
    assert (tmp_path / "drift.txt").read_text() == "{}\n"


def test_a_file_with_another_hash_is_refused(tmp_path):
    script = (ROOT / "envs/report.post-deploy.sh").read_text()
    (wanted,) = [line for line in script.splitlines() if line.startswith("typing-inspection==")]
    begin, end = script[: script.index("# Made by `make lock` from pyproject")], script[script.rindex("LOCK\n") :]
    assert begin.endswith("<<'LOCK'\n")
    other = wanted[:-1] + ("0" if wanted[-1] != "0" else "1")
    tampered = tmp_path / "post-deploy.sh"
    tampered.write_text(f"{begin}{other}\n{end}")
    bin_ = new_venv(tmp_path / "venv")
    assert "DO NOT MATCH THE HASHES" in run("bash", str(tampered), path=bin_, ok=False)
    tampered.write_text(f"{begin}{wanted}\n{end}")
    run("bash", str(tampered), path=bin_)


MANYLINUX = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(17, 29))]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platforms", [MANYLINUX, ["macosx_14_0_arm64"]], ids=["linux", "macos"])
def test_the_index_has_files_with_these_hashes_for_other_platforms(platforms, python, tmp_path):
    """They are downloaded, not installed. Packages that come only as source fit any platform."""
    lock = (ROOT / "envs/venv.txt").read_text().splitlines(keepends=True)
    kept = [line for line in lock if not line.startswith(("connection-pool==", "greenlet=="))]
    (tmp_path / "lock.txt").write_text("".join(kept))
    chosen = ["--python-version", python, *(word for platform in platforms for word in ("--platform", platform))]
    only = ["--only-binary=:all:", "--no-deps", "--require-hashes", "--dest", tmp_path / "files"]
    run("pip", "download", *chosen, *only, "-r", tmp_path / "lock.txt", path=Path(sys.executable).parent)
    assert len(list((tmp_path / "files").iterdir())) > 100
