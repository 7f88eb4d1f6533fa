"""A change of the source reruns exactly the jobs that it can reach, and `affected` names them beforehand."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from reformatting import reformatted

from smoothgates.jobs.affected import effect_of, run, sentence, title
from smoothgates.jobs.dag import jobs_of
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]
PACKAGE = "src/smoothgates"

JOBS = """
import json
from smoothgates.jobs.dag import jobs_of, made_by
from smoothgates.jobs.affected import title
from smoothgates.study.loader import load_study
study = load_study("laptop")
print(json.dumps({title(job): made_by(study, job) for job in jobs_of(study, planned=True)}))
"""


class Tree:
    """A copy of the source, to be edited."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("src", "config", "envs"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        self.before = self.made_by()

    def made_by(self) -> dict[str, dict]:
        """By job, the digests of what it would be made by."""
        env = {**os.environ, "PYTHONPATH": str(self.folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        words = [sys.executable, "-c", JOBS]
        return json.loads(subprocess.run(words, cwd=self.folder, env=env, capture_output=True, check=True).stdout)

    def changed(self) -> set[str]:
        """Jobs that an edit has made stale."""
        after = self.made_by()
        assert after.keys() == self.before.keys()
        return {job for job, made in after.items() if made != self.before[job]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def study():
    return load_study("laptop")


@pytest.fixture(scope="module")
def jobs(study):
    return jobs_of(study, planned=True)


def test_reformatting_and_documenting_every_file_anew_reruns_nothing(tree):
    files = sorted((tree.folder / PACKAGE).rglob("*.py"))
    with restored(files):
        for file in files:
            file.write_text(reformatted(file.read_text(encoding="utf-8")), encoding="utf-8")
        assert tree.changed() == set()


@contextmanager
def restored(files):
    """Files that are as they were in the end."""
    content = {file: file.read_bytes() for file in files}
    yield
    for file, data in content.items():
        file.write_bytes(data)


def more(text: str) -> str:
    return text + "\nNEW = 1\n"


def field(text: str) -> str:
    """One field more in the last record of the file."""
    return text + "    new: int = 0\n"


EDITS = {
    "a gate": ("gates/erf.py", more, "check_gate erf|gates|train .*/erf(_wide|_one_sided)?/.*"),
    "a verifier": ("tasks/math/verifier/prose.py", more, "(train|evaluate) math/.*"),
    "a reward": ("tasks/logic/rewards.py", more, "(train|evaluate) logic/.*"),
    "a generator": ("tasks/logic/laptop.py", more, "prepare logic|.* logic/.*"),
    "the loss": ("objective/loss.py", more, "train .*|gates"),
    "statistics": ("analysis/statistics.py", more, "analyse"),
    "a figure": ("report/figures.py", more, "report"),
    "the page": ("report/page.html.j2", more, "report"),
    "a field of the report's spec": ("specs/report.py", field, "report"),
    "a field of an evaluation's spec": ("specs/evaluate.py", field, "evaluate .*"),
    "a field of the spec of RL": ("specs/train.py", field, "train .*"),
    "progress": ("io/progress.py", more, ""),
    "a bound": ("io/bounds.py", more, ""),
    "the record of a run": ("provenance/run_record.py", more, ""),
}
"""A file, how it is edited, and the jobs that depend on it, as a pattern of their titles."""


@pytest.mark.parametrize(("file", "edit", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_reruns_what_depends_on_it_and_affected_says_so(file, edit, expected, tree, study, jobs):
    """A new field of a spec reaches the analysis too: it compares the specs of runs."""
    path = tree.folder / PACKAGE / file
    with restored([path]):
        path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
        changed = tree.changed()
    effect = effect_of(ROOT / PACKAGE / file, study, jobs)
    direct, downstream = {*map(title, effect.direct)}, {*map(title, effect.downstream)}
    assert direct == {job for job in map(title, jobs) if re.fullmatch(expected, job)}
    assert direct <= changed <= direct | downstream
    assert edit is field or changed == direct


def test_what_reads_the_results_of_affected_jobs_follows_them(study, jobs):
    effect = effect_of(ROOT / PACKAGE / "gates/erf.py", study, jobs)
    assert {*map(title, effect.downstream)} == {
        "analyse",
        "report",
        *(title(job) for job in jobs if job.stage == "evaluate" and "/erf" in job.name),
    }, "training waits for the check of its gate, and is not made from it"


def test_a_lock_affects_the_jobs_that_run_in_its_environment(study, jobs):
    effect = effect_of(ROOT / "envs/report.lock", study, jobs)
    assert [job.stage for job in effect.direct] == ["analyse", "report"]
    assert effect_of(ROOT / "envs/train-cuda.lock", study, jobs).direct == []


@pytest.mark.parametrize(
    "file",
    [
        "config/laptop.yaml",
        "config/methods.yaml",
        "workflow/rules/train.smk",
        f"{PACKAGE}/study/loader.py",
        f"{PACKAGE}/provenance/environments.py",
    ],
)
def test_what_turns_a_study_into_jobs_affects_those_that_it_changes(file, study, jobs, capsys):
    assert effect_of(ROOT / file, study, jobs).direct is None
    run([ROOT / file], "laptop", names=True, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)["files"]
    assert (found["direct"], found["downstream"]) == (None, [])


def test_code_of_some_jobs_that_shapes_others_says_both(tree, study, jobs):
    """A field of the spec of RL is code of its runs, and part of the analysis's spec."""
    file = f"{PACKAGE}/specs/train.py"
    effect = effect_of(ROOT / file, study, jobs)
    assert {job.stage for job in effect.direct} == {"train"}
    assert sentence(effect, len(jobs)).endswith("; and " + sentence(effect_of(study.file, study, jobs), len(jobs)))
    with restored([tree.folder / file]):
        (tree.folder / file).write_text(field((tree.folder / file).read_text(encoding="utf-8")), encoding="utf-8")
        assert "analyse" in tree.changed()


@pytest.mark.parametrize("file", ["study/json_schema.py", "jobs/affected.py", "jobs/snakemake/causes.py"])
def test_what_only_shows_jobs_or_runs_them_affects_none(file, study, jobs):
    assert effect_of(ROOT / PACKAGE / file, study, jobs).direct == []


def test_other_files_affect_nothing_and_jobs_are_named_on_request(jobs, capsys):
    figures, readme = ROOT / PACKAGE / "report/figures.py", ROOT / "README.md"
    run([figures, readme], "laptop", names=True, as_json=False)
    every = len(jobs)
    assert capsys.readouterr().out.splitlines() == [
        f"{figures}: 1 report of {every} jobs",
        "  report",
        f"{readme}: none of {every} jobs",
        f"together: 1 report of {every} jobs",
    ]


def test_a_path_that_is_not_there_is_one_line():
    words = [sys.executable, "-m", "smoothgates", "affected", "nowhere.py"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: nowhere.py: no such file\n")
