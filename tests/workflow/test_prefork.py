"""The jobs of a study are forks of one process, and nothing else changes."""

import time
from pathlib import Path

GATE = "results/smoke/gates/clip/check.json"
TOLD = "print('leader of its session:', __import__('os').getsid(0) == __import__('os').getpid())\n    "


def test_jobs_are_forks(clone):
    """The environment that Snakemake gives to jobs is the server's, or each of them would run by itself."""
    clone.edit("src/smoothgates/stages/check_gate.py", "spec = parse_spec", f"{TOLD}spec = parse_spec")
    log = clone.folder / "logs/smoke/gates/clip.log"
    for expected, arguments in (("True", ()), ("False", ("--set-threads", "check_gate=2"))):
        clone.snakemake("--config", "study=smoke", "--forcerun", "check_gate", *arguments, "--", GATE)
        assert log.read_text().splitlines()[-1] == f"leader of its session: {expected}"
    for _ in range(3000):
        if not any(str(clone.folder) in read(path) for path in Path("/proc").glob("[0-9]*/cmdline")):
            return
        time.sleep(0.02)
    raise AssertionError("a server is left")


def read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
