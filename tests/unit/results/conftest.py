"""A made-up finished study: every file that its jobs would write, with true records and arbitrary content."""

import shutil
from pathlib import Path

import pytest

from smoothgates.io.files import digest, write_atomically, write_json
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.run_record import RunRecord
from smoothgates.io.paths import record_of
from smoothgates.io.seal import sealed
from smoothgates.jobs.dag import Job, jobs_of
from smoothgates.provenance.code_closure import code_digest
from smoothgates.provenance.environments import environment_of, lock_digest
from smoothgates.provenance.run_record import spec_digest
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[3]


class Made:
    """The study in the working directory."""

    name = "smoke"

    @property
    def study(self):
        return load_study(self.name)

    def make(self, job: Job) -> None:
        """Write the files of a job."""
        for record in job.records:
            folder = Path(record).parent
            declared = [Path(path) for path in job.writes if record_of(path) == record != path]
            extra = {
                "policy": [folder / "weights/model.safetensors"],
                "train": [folder / "weights/model.safetensors", folder / "checkpoints/rollout0001/model.safetensors"],
                "evaluate": [folder / f"samples.parquet/{declared[0].stem}.parquet"],
                "report": [folder / "figures/scores.svg"],
            }.get(job.stage, [])
            for path in (*declared, *extra):
                write_atomically(path, f"{path}: {job.spec.canonical()}".encode())
            if job.stage == "train":
                kept = {"rollouts": 1, "folder": "checkpoints/rollout0001"}
                manifest = {
                    "schema": "smoothgates.model",
                    "schema_version": 1,
                    "spec": job.spec.model_dump(mode="json"),
                    "status": "finished",
                    "rollouts": 3,
                    "final": "weights",
                    "checkpoints": [kept],
                    "folders": {name: [] for name in ("weights", kept["folder"])},
                }
                write_json(declared[0], manifest)
            models = [path for path in job.reads if path.endswith("model.json")]
            others = [path for path in models if len(job.records) > 1 and folder.name not in path]
            inputs = [Path(path) for path in job.reads if path not in others]
            self.record(Path(record), job, inputs, [*declared, *extra])

    def record(self, path: Path, job: Job, inputs: list[Path], outputs: list[Path]) -> None:
        facts = {
            "schema": RunRecord.SCHEMA,
            "schema_version": 1,
            "stage": job.stage,
            "spec_sha256": spec_digest(job.spec),
            "code_sha256": code_digest(job.stage, job.parts),
            "lock_sha256": lock_digest(environment_of(job.stage)),
            "inputs": {str(file): digest(file) for file in inputs},
            "outputs": {str(file): digest(file) for file in outputs},
            "drift": {},
            "dirty": False,
            "began": "2026-02-03T04:05:06Z",
            "seconds": 60.0,
            "versions": {"torch": "2.13.0+cpu", "snakemake": "9.27.1"},
        }
        write_json(path, sealed(facts))

    def amend(self, record: str, **facts) -> None:
        """Rewrite a record with other facts, sealed again."""
        old = read_manifest(Path(record), RunRecord)
        write_json(Path(record), sealed({**{key: old[key] for key in old if key != "sha256"}, **facts}))

    def edit(self, path: str, old: str, new: str) -> None:
        text = Path(path).read_text()
        assert old in text
        Path(path).write_text(text.replace(old, new))

    def job(self, rule: str, name: str = "") -> Job:
        return next(job for job in jobs_of(self.study) if (job.rule, job.name) == (rule, name))


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    (folder / "config").mkdir()
    shutil.copy(ROOT / "config/methods.yaml", folder / "config")
    shutil.copy(ROOT / "tests/workflow/smoke.yaml", folder / "config")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = Made()
        for job in jobs_of(made.study):
            made.make(job)
    return folder


@pytest.fixture
def made(template, tmp_path, monkeypatch) -> Made:
    """A copy for the test to change. It is the working directory."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Made()
