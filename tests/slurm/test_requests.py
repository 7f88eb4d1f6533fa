"""What a job requests from SLURM. Here sbatch is a script that records its arguments."""

import subprocess
import sys
import time

from .checkout import ROOT

SNAKEFILE = """
rule all:
    input: "gates.txt", "train.txt"
rule gates:
    output: "gates.txt"
    shell: "touch {output}"
rule train:
    output: "train.txt"
    params: wall=lambda wildcards, resources: resources.runtime
    shell: "echo {params.wall} > {output}"
"""


def test_the_options_that_the_profile_gives_to_sbatch(tmp_path, monkeypatch):
    """Our profile, and a site's on top of it, through Snakemake and its executor to the command line of sbatch."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "site.yaml").write_text("slurm-requeue: true\nset-resources:\n  train: {gpu: 8, runtime: 600}\n")
    calls = tmp_path / "calls"
    submit = f'for word; do printf "%s\\n" "$word"; done > {calls}/$$.partial; mv {calls}/$$.partial {calls}/$$; echo 7'
    calls.mkdir()
    scripts = {"sbatch": submit, "squeue": "echo '7|RUNNING'", "sinfo": "true", "scontrol": "echo MinJobAge = 300"}
    for name, script in scripts.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    profiles = ["--profile", str(ROOT / "workflow/profiles/slurm"), "--profile", "site.yaml"]
    command = [sys.executable, "-m", "snakemake", *profiles, "--slurm-status-command", "squeue"]
    output = tmp_path / "output.txt"
    with open(output, "w") as file, subprocess.Popen(command, cwd=tmp_path, stderr=file) as snakemake:
        while snakemake.poll() is None and len(list(calls.glob("*[0-9]"))) < 2:
            time.sleep(0.1)
        snakemake.kill()
    found = [call.read_text().splitlines() for call in calls.glob("*[0-9]")]
    assert len(found) == 2, output.read_text()
    by_comment = {words[words.index("--comment") + 1]: words for words in found}
    gates, train = by_comment["rule_gates"], by_comment["rule_train"]
    assert "--requeue" in gates
    assert (gates[gates.index("-t") + 1], gates[gates.index("--mem") + 1]) == ("60", "2000")
    assert (train[train.index("-t") + 1], "--gpus=8" in train) == ("600", True)
    assert not any(word.startswith(("--array", "-A", "--ntasks")) for word in train)
