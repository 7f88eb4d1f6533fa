"""Measure this machine and save the result: `python tests/gpu/record.py`, in the checkout, in an environment with CUDA.

Writes reports/gpu/DATE-HARDWARE.json, and the same as a page beside it. With `--device cpu` and another `--out` it
does the same on ordinary cores, as a rehearsal.
"""

import argparse
import json
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from measure import MEMORY, Bench, available

from smoothgates.provenance.machine import versions
from smoothgates.provenance.run_record import commit


def record(device: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder, "bench"), device)
        return {
            "schema": "smoothgates.machine",
            "schema_version": 1,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "hardware": hardware(device),
            "host": platform.machine(),
            "versions": versions(),
            **commit(),
            "noise": {dtype: bench.noise(dtype) for dtype in ("float32", "bfloat16")},
            "runs": [bench.short_run(*kinds) for kinds in available(device)],
        }


def hardware(device: str) -> str:
    """The hardware, as it is named in a report."""
    if device == "cpu":
        return f"{platform.machine()} cores"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"


def page(found: dict) -> str:
    """The report as a page of Markdown."""
    made = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [
        f"# {found['hardware']}, {found['date']}",
        "",
        f"Commit {found['commit']}{' with changes' if found['dirty'] else ''}; {made}.",
        "",
        "Differences of log-probabilities, the same tokens and weights, of the trainer from what is named, in nats:",
        "",
        "| precision | against | mean | largest |",
        "|---|---|---|---|",
    ]
    for dtype, rows in found["noise"].items():
        lines += [f"| {dtype} | {name} | {gap['mean']:.2g} | {gap['max']:.2g} |" for name, gap in rows.items()]
    lines += [
        "",
        f"Runs of three rollouts, speeds without the first; vLLM was given {MEMORY:.0%} of a GPU beside the trainer:",
        "",
        "| engine | sampler | GPUs | seconds | sampled tokens/s | trained tokens/s | peak memory | plan said |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in found["runs"]:
        planned = f"{run['planned_bytes'] / 1e9:.1f} GB" if run["planned_bytes"] else "—"
        speeds = f"{run['sampled_tokens_per_second']:.0f} | {run['trained_tokens_per_second']:.0f}"
        lines.append(
            f"| {run['engine']} | {run['sampler']} | {run['gpus']} | {run['seconds']:.0f} | {speeds}"
            f" | {run['peak_bytes'] / 1e9:.1f} GB | {planned} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path("reports/gpu"))
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("record: needs a GPU, or --device cpu for a rehearsal")
    found = record(asked.device)
    name = f"{found['date']}-{re.sub(r'[^a-z0-9]+', '-', found['hardware'].lower())}"
    asked.out.mkdir(parents=True, exist_ok=True)
    for suffix, text in (("json", json.dumps(found, indent=1) + "\n"), ("md", page(found))):
        asked.out.joinpath(f"{name}.{suffix}").write_text(text)
        print(asked.out / f"{name}.{suffix}")


if __name__ == "__main__":
    main()
