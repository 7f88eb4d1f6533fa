"""A copy of the project with a study to run on a cluster."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from .cluster import ENDING_WITH_US, Cluster, wait_until

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPIED = ("Snakefile", "workflow", "src", "envs", "config")
PYTHON = Path(sys.executable)
SECONDS = 150
"""Seconds that any step of these tests may take."""


class Run:
    """`cluster run`, started."""

    def __init__(self, process: subprocess.Popen, output: Path):
        self.process, self.output = process, output

    def end(self, seconds: float = SECONDS) -> int:
        """Return the exit code. A process that does not end in time is killed, and the test fails."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.text}") from None

    def kill(self) -> None:
        """Kill it and its Snakemake, as if their machine went down."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def text(self) -> str:
        return self.output.read_text()


class Checkout:
    """One copy of the project. Runs are named by their regime: `brief` or `long`."""

    def __init__(self, folder: Path, cluster: Cluster | None = None):
        self.folder, self.cluster = folder, cluster
        self.runs: list[Run] = []

    @classmethod
    def new(cls, folder: Path) -> "Checkout":
        folder.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        shutil.copy(HERE / "slow.yaml", folder / "config/slow.yaml")
        return cls(folder)

    def copy(self, folder: Path, cluster: Cluster) -> "Checkout":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Checkout(folder, cluster)

    def run_here(self, *targets: str) -> None:
        """Run the study without a cluster."""
        profile = ["--profile", "workflow/profiles/local", "--cores", "2", "--config", "study=slow"]
        command = [PYTHON, "-m", "snakemake", *profile, "--", *targets]
        done = subprocess.run(command, cwd=self.folder, env=self.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *words: str, target: str | None = None, options: tuple[str, ...] = ()) -> Run:
        """Start `cluster run`, with `options` for Snakemake. `target` is a regime; None runs everything."""
        targets = [self.model(target)] if target else []
        output = self.folder / f"controller{len(list(self.folder.glob('controller*')))}.out"
        study = ["--study", "slow", "--poll", "1", "--jobs", "4"]
        with open(output, "w") as file:
            process = subprocess.Popen(
                [
                    *ENDING_WITH_US,
                    PYTHON,
                    "-m",
                    "smoothgates",
                    "cluster",
                    "run",
                    *study,
                    *words,
                    "--",
                    *targets,
                    *options,
                ],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.runs.append(Run(process, output))
        return self.runs[-1]

    def model(self, regime: str) -> str:
        return f"results/slow/train/math/{regime}/grpo/seed0/model.json"

    def log(self, regime: str) -> str:
        return f"logs/slow/train/math/{regime}/grpo/seed0.log"

    def weights(self, regime: str) -> bytes:
        return (self.folder / self.model(regime)).with_name("weights").joinpath("model.safetensors").read_bytes()

    def attempts(self, regime: str) -> list[dict]:
        return json.loads((self.folder / self.model(regime)).with_name("run.json").read_text())["attempts"]

    def rollouts(self, regime: str) -> int:
        """Rollouts that the current attempt has trained on, according to its log."""
        log = self.folder / self.log(regime)
        counts = re.findall(r"rollouts: (\d+)/", log.read_text()) if log.exists() else []
        return int(counts[-1]) if counts else 0

    def elapsed(self, regime: str) -> int:
        """Seconds that its job has run."""
        *minutes, seconds = self.cluster("squeue", "--noheader", "--job", self.job(regime), "--format", "%M").split(":")
        return 60 * int(minutes[-1]) + int(seconds)

    def trainer(self) -> int:
        """Process id of the training."""
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in self.cluster.strays()}
        [found] = [pid for pid, words in commands.items() if words[1:4] == [b"-m", b"smoothgates", b"train"]]
        return found

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def job(self, regime: str) -> str:
        """The id of its job in the queue."""
        return next(row[0] for row in self.cluster.squeue() if f"_{regime}_" in row[3])

    def wait_for(self, regime: str, rollouts: int) -> str:
        """Wait until a run has trained on this many rollouts. Return its job's id."""

        def there() -> bool:
            assert self.runs[-1].process.poll() is None, self.runs[-1].text
            return self.rollouts(regime) >= rollouts

        wait_until(there, SECONDS, f"rollout {rollouts} of {self.log(regime)}")
        return self.job(regime)

    def environment(self) -> dict[str, str]:
        environment = self.cluster.environment() if self.cluster else dict(os.environ)
        return environment | {
            "PATH": f"{PYTHON.parent}:{environment['PATH']}",
            "PYTHONPATH": f"{self.folder}/src:{HERE}/quick",
            "OMP_NUM_THREADS": "1",
        }
