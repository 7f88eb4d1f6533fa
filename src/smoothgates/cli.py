"""The command line, `python -m smoothgates`: each stage as a rule runs it, and the tools around them.

Exit codes: 0 done, 1 failed, 2 bad input, 75 run the same command again. The last two come with one line on stderr.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.arguments import to_fill, to_read, to_read_once, to_write
from smoothgates.ops import commands

# One thread in each process: the jobs of the laptop study run side by side, and sums over threads differ in the last
# bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

Spec = Annotated[str, typer.Option(help="The specification as canonical JSON, or @FILE.")]
Data = Annotated[Path, typer.Option(help="The manifest of the task's data.", callback=to_read)]
Index = Annotated[
    Path | None, typer.Option(help="The manifest of the index that the policy may search.", callback=to_read)
]
Out = Annotated[Path, typer.Option(help="The manifest to write, after all other outputs.", callback=to_write)]

Env = Annotated[str | None, typer.Option(help="The pinned environment, envs/ENV.lock, that the stage runs in.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"smoothgates {version('smoothgates')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The stages of a smoothgates study, and tools to plan, run and check one."""


@app.command()
def prepare(
    spec: Spec,
    out: Out,
    mirror: Annotated[Path | None, typer.Option(help="A folder with the public data sets as files.")] = None,
    lock: Annotated[
        Path | None, typer.Option(help="The lock file in which data sets of the hub are pinned on first use.")
    ] = None,
    env: Env = None,
) -> None:
    """Generate or load the training examples and the benchmarks of a task."""
    from smoothgates.stages import prepare as stage

    stage.run(spec, out, mirror, lock, env)


@app.command()
def policy(
    spec: Spec,
    data: Data,
    out: Out,
    start: Annotated[
        Path | None, typer.Option(help="The model.json of a policy to continue from.", callback=to_read)
    ] = None,
    mirror: Annotated[Path | None, typer.Option(help="A folder with models as ORGANISATION/NAME.")] = None,
    env: Env = None,
) -> None:
    """Train a policy on demonstrations, or fetch a published policy."""
    from smoothgates.stages import policy as stage

    stage.run(spec, data, out, start, mirror, env)


@app.command()
def train(
    spec: Spec,
    data: Data,
    policy: Annotated[Path, typer.Option(help="The model.json of the warm start.", callback=to_read)],
    out: Out,
    metrics: Annotated[
        Path, typer.Option(help="The parquet file of diagnostics to write, one row for each update.", callback=to_write)
    ],
    index: Index = None,
    work: Annotated[Path, typer.Option(help="The folder for checkpoints of unfinished runs.", callback=to_fill)] = Path(
        "work"
    ),
    wall_minutes: Annotated[
        float | None, typer.Option(help="Stop before this many minutes have passed, with exit code 75.")
    ] = None,
    save_seconds: Annotated[float, typer.Option(help="The least time between two checkpoints.")] = 60.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of resuming.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another process that works on the same run.")] = 60.0,
    gate: Annotated[
        Path | None, typer.Option(help="The manifest that `check-gate` wrote for the method's gate.")
    ] = None,
    env: Env = None,
) -> None:
    """Train a policy by RL with one method, or resume where an earlier attempt ended."""
    from smoothgates.stages import train as stage

    inputs, result = stage.Inputs(data, policy, index, gate), stage.Result(out, metrics)
    stage.run(spec, inputs, result, stage.RunOptions(work, wall_minutes, save_seconds, fresh, wait, env))


@app.command()
def evaluate(
    spec: Spec,
    data: Data,
    model: Annotated[list[Path], typer.Option(help="The model.json of a run. May be repeated.", callback=to_read)],
    out: Annotated[list[Path], typer.Option(help="The scores to write, one file for each --model.", callback=to_write)],
    index: Index = None,
    env: Env = None,
) -> None:
    """Evaluate every kept checkpoint of some runs on a benchmark."""
    from smoothgates.stages import evaluate as stage

    stage.run(spec, data, model, out, index, env)


@app.command()
def gates(
    spec: Spec,
    curves: Annotated[Path, typer.Option(help="Parquet of f, f′ and φ to write.", callback=to_write)],
    out: Annotated[Path, typer.Option(help="Catalogue of gates to write.", callback=to_write)],
    env: Env = None,
) -> None:
    """Write the catalogue and the curves of all gates, for the report."""
    from smoothgates.stages import gates as stage

    stage.run(spec, curves, out, env)


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
    env: Env = None,
) -> None:
    """Check a gate: its weight is the derivative of its value, and every other property that its file claims holds."""
    from smoothgates.stages import check_gate as stage

    stage.run(spec, out, env)


@app.command()
def index(spec: Spec, out: Out, env: Env = None) -> None:
    """Build an index of passages for search."""
    from smoothgates.stages import index as stage

    stage.run(spec, out, env)


@app.command()
def score(
    task: Annotated[str, typer.Option(help="The name of a task: logic, math or toolqa.")],
    source: Annotated[
        Path,
        typer.Option(
            "--in",
            help="JSONL rows {id, completion, answer} or {id, completion, example}. - reads standard input.",
            callback=to_read_once,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="JSONL of verdicts. A later run resumes where this one stopped.", callback=to_write)
    ],
    reward: Annotated[str, typer.Option(help="A reward of the task.")] = "answer",
) -> None:
    """Judge completions of any model with the rewards that training uses."""
    from smoothgates.evaluate.summary import summary
    from smoothgates.stages import score as stage

    if lines := summary(stage.run(task, reward, source, out)):
        typer.echo(lines)


@app.command()
def pin(
    names: Annotated[list[str], typer.Argument(help="Sources as TASK/NAME, or a task for all of its sources.")],
) -> None:
    """Pin public data sets to what the hub holds now, in config/sources.lock.yaml."""
    from smoothgates.data.pinned import pin, sources_named

    pin(sources_named(names))


@app.command()
def corpus(
    name: Annotated[str, typer.Argument(help="The name of the corpus: wiki18.")],
    out: Annotated[Path, typer.Option(help="The JSONL of passages to write.", callback=to_write)],
) -> None:
    """Fetch a corpus of passages from the hub, to index it."""
    from smoothgates.data.pinned import fetch_corpus
    from smoothgates.tasks.toolqa.catalogue import CORPORA

    if name not in CORPORA:
        raise BadInput(f"{name}: expected one of {', '.join(CORPORA)}")
    fetch_corpus(CORPORA[name], out)


@app.command()
def analyse(
    spec: Spec,
    results: Annotated[Path, typer.Option(help="The folder of the study's results.")],
    out: Out,
) -> None:
    """Compare the methods of a study over its seeds."""
    from smoothgates.stages import analyse as stage

    stage.run(spec, results, out)


@app.command()
def report(
    spec: Spec,
    analysis: Annotated[Path, typer.Option(help="comparisons.json, with its tables beside it.", callback=to_read)],
    gates: Annotated[Path, typer.Option(help="The catalogue of gates, with its curves beside it.", callback=to_read)],
    data: Annotated[list[Path], typer.Option(help="The data manifest of a task. May be repeated.", callback=to_read)],
    out: Annotated[Path, typer.Option(help="The HTML page to write.", callback=to_write)],
) -> None:
    """Write the report of a study."""
    from smoothgates.stages import report as stage

    stage.run(spec, analysis, gates, data, out)


@app.command()
def release(
    study: Annotated[str, typer.Option(help="The name of a study whose report is finished.")] = "laptop",
    reports: Annotated[Path, typer.Option(help="The folder of the reports.")] = Path("reports"),
) -> None:
    """Keep a study's report in reports/released, and write what it says into README.md."""
    from smoothgates.ops.release import run as keep

    keep(study, reports)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="The id of a figure, such as gates_f3.")],
    out: Annotated[Path, typer.Option(help="The .pdf, .svg, .png or .csv to write.", callback=to_write)],
    study: Annotated[
        str, typer.Option(help="The name of a study in config/, or the path of its YAML file.")
    ] = "laptop",
) -> None:
    """Draw one figure of the papers again, from the analysis of a study."""
    from smoothgates.ops.figure import run as draw

    draw(name, study, out)


@app.command()
def schema(
    folder: Annotated[Path, typer.Argument(help="The folder to write to.", callback=to_fill)] = Path(
        "workflow/schemas"
    ),
) -> None:
    """Write the JSON schemas of the config files."""
    from smoothgates.study.json_schema import write_schemas

    write_schemas(folder)


@app.command()
def launch(
    arguments: Annotated[list[str] | None, typer.Argument(help="A stage and its options, after --.")] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Nodes of this SLURM job.")] = 1,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes on each node. Default: one for each GPU.")
    ] = None,
) -> None:
    """Run a stage as several processes, the ranks, that work together."""
    from smoothgates.distributed import launch as launcher

    sys.exit(launcher.run(arguments or (), main, nodes, processes))


@app.command()
def probe(seconds: Annotated[int, typer.Option(min=1, help="Seconds to wait for the other ranks.")] = 60) -> None:
    """Check that the ranks of a launch find each other. Run it first on a new cluster, under `launch`."""
    from smoothgates.distributed import probe as stage

    sys.exit(stage.run(seconds))


app.add_typer(commands.app)


REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
"""Errors of the file system that the user has to fix: names and permissions."""


def main() -> None:
    """Run a command, and turn errors that have an exit code into one line on stderr."""
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
    """Use UTF-8 for file names and output under any locale. This may start Python again."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
