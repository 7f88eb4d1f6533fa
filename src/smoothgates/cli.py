"""`python -m smoothgates STAGE`: every stage by hand exactly as a rule runs it.

Exit codes: 0 done, 1 failed, 2 bad input, 75 run me again (both one line on stderr).
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.arguments import to_fill, to_read, to_read_once, to_write

# One thread a process: the laptop study runs its jobs side by side, and sums over threads differ in their last bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

app = typer.Typer(
    help="The stages of a smoothgates study.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cluster = typer.Typer(help="A study on a SLURM cluster: docs/slurm.md.", no_args_is_help=True)
app.add_typer(cluster, name="cluster")


Spec = Annotated[str, typer.Option(help="Canonical JSON of what to do, or @file.")]
Data = Annotated[Path, typer.Option(help="Data manifest.", callback=to_read)]
Index = Annotated[Path | None, typer.Option(help="Manifest of the index that the policy may search.", callback=to_read)]
StudyName = Annotated[str, typer.Option(help="A name in config/, or the path of a YAML file of your own.")]
Out = Annotated[Path, typer.Option(help="Manifest to write, last of all outputs.", callback=to_write)]
Words = Annotated[list[str] | None, typer.Argument(help="After --.")]


@app.command()
def prepare(
    spec: Spec,
    out: Out,
    mirror: Annotated[Path | None, typer.Option(help="Folder that holds the public data sets as files.")] = None,
    lock: Annotated[
        Path | None, typer.Option(help="Lock file that data sets of the hub are pinned in on first use.")
    ] = None,
) -> None:
    """Make or load a task's examples: what to train on, and the benchmarks."""
    from smoothgates.stages import prepare as stage

    stage.run(spec, out, mirror, lock)


@app.command()
def policy(
    spec: Spec,
    data: Data,
    out: Out,
    start: Annotated[Path | None, typer.Option(help="model.json to continue from.", callback=to_read)] = None,
    mirror: Annotated[Path | None, typer.Option(help="Folder that holds models as ORGANISATION/NAME.")] = None,
) -> None:
    """Train a policy on demonstrations, or fetch a published one."""
    _single_thread()
    from smoothgates.stages import policy as stage

    stage.run(spec, data, out, start, mirror)


@app.command()
def train(
    spec: Spec,
    data: Data,
    policy: Annotated[Path, typer.Option(help="model.json of the warm start.", callback=to_read)],
    out: Out,
    metrics: Annotated[
        Path, typer.Option(help="Parquet of diagnostics to write, one row an update.", callback=to_write)
    ],
    index: Index = None,
    work: Annotated[Path, typer.Option(help="Folder for checkpoints of unfinished runs.", callback=to_fill)] = Path(
        "work"
    ),
    wall_minutes: Annotated[float | None, typer.Option(help="Stop before so many are over, with exit code 75.")] = None,
    save_seconds: Annotated[float, typer.Option(help="Least time between two checkpoints.")] = 60.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, whatever earlier attempts left.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another process that is at the same run.")] = 60.0,
    gate: Annotated[Path | None, typer.Option(help="Manifest that `check-gate` wrote for the method's gate.")] = None,
) -> None:
    """Train a policy by RL with one method, or go on where an earlier attempt ended."""
    from smoothgates.stages import train as stage

    inputs, result = stage.Inputs(data, policy, index, gate), stage.Result(out, metrics)
    stage.run(spec, inputs, result, stage.RunOptions(work, wall_minutes, save_seconds, fresh, wait))


@app.command()
def evaluate(
    spec: Spec,
    data: Data,
    model: Annotated[list[Path], typer.Option(help="model.json; may be repeated.", callback=to_read)],
    out: Annotated[list[Path], typer.Option(help="Scores to write, one for each --model.", callback=to_write)],
    index: Index = None,
) -> None:
    """Score every kept checkpoint of some runs."""
    _single_thread()
    from smoothgates.stages import evaluate as stage

    stage.run(spec, data, model, out, index)


@app.command()
def gates(
    spec: Spec,
    curves: Annotated[Path, typer.Option(help="Parquet of f, f′ and φ to write.", callback=to_write)],
    out: Annotated[Path, typer.Option(help="Catalogue of gates to write.", callback=to_write)],
) -> None:
    """Write the catalogue and the curves of all gates, for the report."""
    from smoothgates.stages import gates as stage

    stage.run(spec, curves, out)


@app.command()
def gate_table(
    out: Annotated[Path, typer.Argument(help="Markdown file to write.", callback=to_write)] = Path("docs/gates.md"),
) -> None:
    """Write the table of gates for the docs."""
    from smoothgates.gates.catalogue import markdown
    from smoothgates.io.files import write_atomically

    write_atomically(out, markdown().encode())


@app.command()
def check_gate(
    spec: Annotated[str, typer.Option(help='Canonical JSON of which gate, {"gate": NAME}, or @file.')],
    out: Annotated[Path | None, typer.Option(help="Manifest to write.")] = None,
) -> None:
    """Check a gate: its weight is the derivative of its value, and all that its file claims holds."""
    from smoothgates.stages import check_gate as stage

    stage.run(spec, out)


@app.command()
def index(spec: Spec, out: Out) -> None:
    """Build an index of passages for searching."""
    from smoothgates.stages import index as stage

    stage.run(spec, out)


@app.command()
def score(
    task: Annotated[str, typer.Option(help="A task, by the name of its folder: logic, math, toolqa.")],
    source: Annotated[
        Path,
        typer.Option(
            "--in",
            help="JSONL rows {id, completion, answer} or {id, completion, example}; - reads standard input.",
            callback=to_read_once,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="JSONL of verdicts; continued where an earlier run stopped.", callback=to_write)
    ],
    reward: Annotated[str, typer.Option(help="One of the task's rewards.")] = "answer",
) -> None:
    """Judge completions of any model with the code that rewards training."""
    from smoothgates.stages import score as stage

    stage.run(task, reward, source, out)


@app.command()
def pin(
    names: Annotated[list[str], typer.Argument(help="Sources as task/name, or a task for all of its own.")],
) -> None:
    """Write down which rows the hub holds for public data sets: config/sources.lock.yaml."""
    from smoothgates.data.pinned import pin, sources_named

    pin(sources_named(names))


@app.command()
def corpus(
    name: Annotated[str, typer.Argument(help="wiki18")],
    out: Annotated[Path, typer.Option(help="JSONL of passages to write.", callback=to_write)],
) -> None:
    """Fetch a corpus of passages from the hub, to build an index of."""
    from smoothgates.data.pinned import fetch_corpus
    from smoothgates.tasks.toolqa.catalogue import CORPORA

    if name not in CORPORA:
        raise BadInput(f"{name}: expected one of {', '.join(CORPORA)}")
    fetch_corpus(CORPORA[name], out)


@app.command()
def analyse(
    spec: Spec,
    results: Annotated[Path, typer.Option(help="Folder of the study's results.")],
    out: Out,
) -> None:
    """Compare methods over seeds."""
    from smoothgates.stages import analyse as stage

    stage.run(spec, results, out)


@app.command()
def report(
    spec: Spec,
    analysis: Annotated[Path, typer.Option(help="comparisons.json, its tables beside it.", callback=to_read)],
    gates: Annotated[Path, typer.Option(help="Catalogue of gates, its curves beside it.", callback=to_read)],
    data: Annotated[list[Path], typer.Option(help="Data manifest of a task; repeated.", callback=to_read)],
    out: Annotated[Path, typer.Option(help="HTML page to write.", callback=to_write)],
) -> None:
    """Write the report."""
    from smoothgates.stages import report as stage

    stage.run(spec, analysis, gates, data, out)


@app.command()
def plan(
    study: StudyName = "laptop",
    machine: Annotated[str | None, typer.Option(help="One of config/machines.yaml, or such as h100x4.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Jobs at once: all cores, or one with GPUs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="As if the study had so many.")] = None,
) -> None:
    """What a study takes before it is run: jobs, hours, disk, memory."""
    from smoothgates.ops.plan.show import run

    run(study, machine, concurrency, as_json, seeds)


@app.command()
def pending(study: StudyName = "laptop") -> None:
    """List the jobs that a study would run, by rule and reason."""
    from smoothgates.jobs.snakemake.pending import run

    sys.exit(run(study))


@app.command()
def verify(
    study: StudyName = "laptop",
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
) -> None:
    """Say which results are stale, foreign or damaged, down to a byte. Exit code 1 if any is."""
    from smoothgates.ops.results import show
    from smoothgates.study.ownership import own_study

    sys.exit(show.run(own_study(study), as_json))


@app.command()
def affected(
    paths: Annotated[list[Path], typer.Argument(help="Files of the checkout.", metavar="PATH...", callback=to_read)],
    study: StudyName = "laptop",
    names: Annotated[bool, typer.Option("--names", help="Name each job.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Say which jobs of a study a change of these files reruns."""
    from smoothgates.jobs.affected import run

    run(paths, study, names, as_json)


@app.command()
def prune(
    study: StudyName = "laptop",
    checkpoints: Annotated[bool, typer.Option(help="Also checkpoints whose learning curves are drawn.")] = False,
    foreign: Annotated[bool, typer.Option(help="Also files that no job makes.")] = False,
    yes: Annotated[bool, typer.Option(help="Do it, instead of showing what would go.")] = False,
    work: Annotated[Path, typer.Option(help="Where runs keep what they go on from.")] = Path("work"),
) -> None:
    """Free the disk of what no job needs any more."""
    from smoothgates.ops.results import prune as custody
    from smoothgates.study.ownership import own_study

    custody.run(own_study(study), yes, checkpoints, foreign, work)


@app.command()
def clean(
    study: StudyName,
    yes: Annotated[bool, typer.Option(help="Do it, instead of showing what would go.")] = False,
    work: Annotated[Path, typer.Option(help="Where its runs are at work, if any are.")] = Path("work"),
) -> None:
    """Delete a study's results, logs and report, except what git tracks."""
    from smoothgates.ops.results import clean as custody

    custody.run(study, yes, work)


@app.command()
def archive(
    out: Annotated[Path, typer.Option(help="A .tar.gz to write.", callback=to_write)],
    study: StudyName = "laptop",
    weights: Annotated[bool, typer.Option(help="Put in weights, checkpoints and indexes too.")] = False,
) -> None:
    """Pack source, results and report for a reviewer, who can rebuild the report from it."""
    from smoothgates.ops.results import archive as custody
    from smoothgates.study.ownership import own_study

    custody.run(own_study(study), out, weights)


@app.command()
def adopt(study: StudyName = "laptop") -> None:
    """Make results that were copied here Snakemake's own, if nothing is wrong with them."""
    from smoothgates.ops.results import adopt as custody
    from smoothgates.study.ownership import own_study

    sys.exit(custody.run(own_study(study)))


@app.command()
def schema(
    folder: Annotated[Path, typer.Argument(help="Where to write.", callback=to_fill)] = Path("workflow/schemas"),
) -> None:
    """Write the JSON schemas of the config files."""
    from smoothgates.study.json_schema import write_schemas

    write_schemas(folder)


@cluster.command("run")
def cluster_run(
    study: StudyName = "laptop",
    profile: Annotated[list[Path] | None, typer.Option(help="Of your site, on top of ours; may be repeated.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="In the queue at once.")] = None,
    poll: Annotated[int, typer.Option(min=1, help="Seconds before Snakemake first looks at the queue.")] = 40,
    wait: Annotated[bool, typer.Option("--wait", help="Until jobs of an earlier run have ended.")] = False,
    arguments: Words = None,
) -> None:
    """Run a study: Snakemake with the safe options, watched."""
    from smoothgates.ops.cluster import controller

    sys.exit(controller.run(study, profile or (), jobs, poll, wait, arguments or ()))


@cluster.command("status")
def cluster_status(study: StudyName = "laptop") -> None:
    """List the study's jobs in the queue."""
    from smoothgates.ops.cluster import table

    sys.exit(table.show(study))


@cluster.command("cancel")
def cluster_cancel(study: StudyName = "laptop") -> None:
    """End the study's jobs in the queue."""
    from smoothgates.ops.cluster import table

    sys.exit(table.cancel(study))


@app.command()
def launch(
    arguments: Words = None,
    nodes: Annotated[int, typer.Option(min=1, help="Of this SLURM job.")] = 1,
    processes: Annotated[int | None, typer.Option(min=1, help="On each node; by default one for each GPU.")] = None,
) -> None:
    """Run a stage as several processes that know of each other."""
    from smoothgates.distributed import launch as launcher

    sys.exit(launcher.run(arguments or (), main, nodes, processes))


@app.command()
def probe(seconds: Annotated[int, typer.Option(min=1, help="To wait for the others.")] = 60) -> None:
    """Do the ranks of a launch find each other? Run it first on a new cluster."""
    from smoothgates.distributed import probe as stage

    sys.exit(stage.run(seconds))


def _single_thread() -> None:
    import torch

    torch.set_num_threads(1)


REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of the file system about names and permissions, which are the user's to fix."""


def main() -> None:
    _speak_utf8()
    try:
        app()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except TryAgain as error:
        print(f"try again: {error}", file=sys.stderr)
        sys.exit(75)
    except OSError as error:
        if error.errno in REFUSED and error.filename is not None:
            print(f"error: {BadInput(f'{os.fsdecode(error.filename)}: {error.strerror}')}", file=sys.stderr)
            sys.exit(2)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"try again: {error.strerror}; nothing half-written is left", file=sys.stderr)
        sys.exit(75)


def _speak_utf8() -> None:
    """File names and output are UTF-8 under any locale: if Python has started otherwise, it is started again."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
