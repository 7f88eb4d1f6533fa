"""The recipes of docs/add.md work as written."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

BLOCKS: dict[str, str] = {}
"""Code of the page by the title of its blocks. Blocks with the same title are joined."""
for title, text in re.findall(
    r'^ *```\w+ title="([^"]+)"\n(.*?)^ *```$', Path("docs/add.md").read_text(), re.DOTALL | re.MULTILINE
):
    BLOCKS[title] = BLOCKS.get(title, "") + textwrap.dedent(text)
STUDY = Path("tests/workflow/smoke.yaml").read_text()


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a stage with the copy's own code."""
    command = [sys.executable, "-m", "smoothgates", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": "src", "PATH": ""})


def write(folder: Path, title: str) -> None:
    """Write the file of a code block."""
    path = folder / title
    path.parent.mkdir(exist_ok=True)
    path.write_text(BLOCKS[title])


def save(folder: Path, study: dict, **changes) -> None:
    (folder / "config/mine.yaml").write_text(yaml.safe_dump(study | changes))


@pytest.fixture
def study() -> dict:
    return yaml.safe_load(STUDY) | {"seeds": [0]}


def test_a_gate_and_a_method(clone, study):
    write(clone.folder, "src/smoothgates/gates/mine.py")
    rows = BLOCKS["config/methods.yaml"]
    assert "gate: mine" in rows
    with (clone.folder / "config/methods.yaml").open("a") as table:
        table.write(rows)
    checked = python(clone.folder, "check-gate", "--spec", '{"gate": "mine"}')
    assert checked.returncode == 0, checked.stderr
    task = study["tasks"].pop("math") | {"runs": {"near": ["grpo", *yaml.safe_load(rows)]}}
    save(clone.folder, study, tasks={"math": task})
    assert clone.pending(study="mine")["train"] == 3


def test_a_task_is_trained(clone, study):
    for name in ("__init__", "rewards"):
        write(clone.folder, f"src/smoothgates/tasks/sums/{name}.py")
    save(clone.folder, study, tasks=yaml.safe_load(BLOCKS["tasks of a study"]))
    clone.snakemake("results/mine/train/sums/near/grpo/seed0/model.json", "--config", "study=mine")


def test_a_benchmark_is_prepared(clone, study):
    source, head = "src/smoothgates/tasks/math/catalogue.py", "SOURCES: dict[str, Source] = {\n"
    clone.edit(source, head, head + BLOCKS[f"{source}, in SOURCES"])
    write(clone.folder, "config/stand_ins/math/my_set.jsonl")
    task, more = study["tasks"]["math"], yaml.safe_load(BLOCKS["tasks.math of a study"])
    task["data"]["benchmarks"] |= more["data"]["benchmarks"]
    task["evaluation"] |= more["evaluation"]
    task |= {"warm_start": None, "sft": None}
    study["architecture"]["vocab_size"] = 300
    save(clone.folder, study, tasks={"math": task}, data_mirror="config/stand_ins", tokenizer="bytes")
    clone.snakemake("results/mine/data/math/manifest.json", "--config", "study=mine")


def test_a_figure_is_drawn(checkout):
    """A new figure takes one file, and is on the page with its caption."""
    source, anchor = "src/smoothgates/report/figures.py", '        "gates": (gates_figure'
    checkout.edit(source, anchor, BLOCKS[f"{source}, in page_figures"] + anchor)
    checkout.edit(source, "\n\ndef scores_figure", f"\n\n{BLOCKS[source]}\n\ndef scores_figure")
    checkout.snakemake("report", "--config", "study=smoke", "--allowed-rules", "report")
    assert (checkout.folder / "reports/smoke/figures/lengths.svg").is_file()
    page = (checkout.folder / "reports/smoke/index.html").read_text()
    assert page.count('<figure id="lengths">') == 1
    assert "<figcaption>lengths</figcaption>" in page
    for name in ("scores", "learning", "gates"):
        assert page.count(f'<figure id="{name}">') == 1, "a figure in its own section is not shown again"
