"""A job on two nodes: its processes run on both nodes, and find each other."""

import re
import subprocess

from .checkout import HERE, PYTHON, SECONDS


def test_the_processes_of_a_job_on_two_nodes_meet(checkout):
    command = [PYTHON, "-m", "snakemake", "--executor", "slurm", "--jobs", "1", "--snakefile", HERE / "two_nodes.smk"]
    done = subprocess.run(
        [*command, "--slurm-init-seconds-before-status-checks", "1"],
        cwd=checkout.folder,
        env=checkout.environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    output = (checkout.folder / "probed.txt").read_text()
    assert sorted(re.findall(r"rank (\d) of 2 on (\w+)", output)) in (
        [("0", first), ("1", second)] for first, second in (("n1", "n2"), ("n1", "n3"), ("n2", "n3"))
    ), output
