"""The commands that plan a study, look after its results, and run it on a cluster."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from smoothgates.io.arguments import to_fill, to_read, to_write

app = typer.Typer()
cluster = typer.Typer(help="Run a study on a SLURM cluster, see docs/slurm.md.", no_args_is_help=True)
app.add_typer(cluster, name="cluster")

StudyName = Annotated[str, typer.Option(help="The name of a study in config/, or the path of its YAML file.")]
Yes = Annotated[bool, typer.Option(help="Delete the files. Without it they are only listed.")]
Work = Annotated[Path, typer.Option(help="The folder of work directories.")]


@app.command()
def plan(
    study: StudyName = "laptop",
    machine: Annotated[
        str | None, typer.Option(help="A machine of config/machines.yaml, or one with another number of GPUs: h100x4.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Jobs at once. Default: one for each core, or 1 on a machine with GPUs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="Plan for this many seeds instead of the study's.")] = None,
) -> None:
    """Estimate the jobs, hours, disk space and memory that a study takes."""
    from smoothgates.ops.plan.show import run

    run(study, machine, concurrency, as_json, seeds)


@app.command()
def pending(study: StudyName = "laptop") -> None:
    """List the jobs that a study would run, by rule and reason."""
    from smoothgates.jobs.snakemake.pending import run

    sys.exit(run(study))


@app.command()
def affected(
    paths: Annotated[list[Path], typer.Argument(help="Files of the checkout.", metavar="PATH...", callback=to_read)],
    study: StudyName = "laptop",
    names: Annotated[bool, typer.Option("--names", help="Name each job.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the jobs of a study that a change of these files reruns."""
    from smoothgates.jobs.affected import run

    run(paths, study, names, as_json)


@app.command()
def verify(
    study: StudyName = "laptop",
    as_json: Annotated[bool, typer.Option("--json", help="Print every finding, as JSON.")] = False,
) -> None:
    """Report stale, foreign and damaged results. Every byte is read. The exit code is 1 if there are any."""
    from smoothgates.ops.results import show
    from smoothgates.study.ownership import own_study

    sys.exit(show.run(own_study(study), as_json))


@app.command()
def prune(
    study: StudyName = "laptop",
    checkpoints: Annotated[bool, typer.Option(help="Also checkpoints that have been evaluated.")] = False,
    foreign: Annotated[bool, typer.Option(help="Also files that no job makes.")] = False,
    yes: Yes = False,
    work: Work = Path("work"),
) -> None:
    """Delete files of a study that no job needs any more."""
    from smoothgates.ops.results import prune
    from smoothgates.study.ownership import own_study

    prune.run(own_study(study), yes, checkpoints, foreign, work)


@app.command()
def clean(study: StudyName, yes: Yes = False, work: Work = Path("work")) -> None:
    """Delete the results, logs and report of a study, except files that git tracks."""
    from smoothgates.ops.results import clean

    clean.run(study, yes, work)


@app.command()
def archive(
    out: Annotated[Path, typer.Option(help="The .tar.gz to write.", callback=to_write)],
    study: StudyName = "laptop",
    weights: Annotated[bool, typer.Option(help="Include weights, checkpoints and indexes.")] = False,
) -> None:
    """Pack the source, results and report of a study into one file, from which the report can be rebuilt."""
    from smoothgates.ops.results import archive
    from smoothgates.study.ownership import own_study

    archive.run(own_study(study), out, weights)


@app.command()
def export(
    out: Annotated[
        Path, typer.Argument(help="The folder to write; it may not hold anything.", metavar="DIR", callback=to_fill)
    ],
    to: Annotated[Literal["tensorboard", "csv"], typer.Option(help="Event files, or one table metrics.csv.")],
    study: StudyName = "laptop",
    work: Work = Path("work"),
) -> None:
    """Write the metrics and scores of a study's runs for TensorBoard, or as a table for other tools."""
    from smoothgates.ops.results import export
    from smoothgates.study.ownership import own_study

    export.run(own_study(study), to, out, work)


@app.command()
def adopt(study: StudyName = "laptop") -> None:
    """Let Snakemake take results that were copied here as made here, if `verify` finds nothing wrong with them."""
    from smoothgates.ops.results import adopt
    from smoothgates.study.ownership import own_study

    sys.exit(adopt.run(own_study(study)))


@cluster.command("run")
def cluster_run(
    study: StudyName = "laptop",
    profile: Annotated[
        list[Path] | None, typer.Option(help="A profile of your site, which overrides ours. May be repeated.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Jobs in the queue at once.")] = None,
    poll: Annotated[int, typer.Option(min=1, help="Seconds until Snakemake first checks the queue.")] = 40,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until jobs of an earlier run have ended.")] = False,
    arguments: Annotated[list[str] | None, typer.Argument(help="Options for Snakemake, after --.")] = None,
) -> None:
    """Run a study: start Snakemake with safe options and watch it."""
    from smoothgates.ops.cluster import controller

    sys.exit(controller.run(study, profile or (), jobs, poll, wait, arguments or ()))


@cluster.command("status")
def cluster_status(study: StudyName = "laptop") -> None:
    """List the jobs of a study in the queue."""
    from smoothgates.ops.cluster import table

    sys.exit(table.show(study))


@cluster.command("cancel")
def cluster_cancel(study: StudyName = "laptop") -> None:
    """Cancel the jobs of a study in the queue."""
    from smoothgates.ops.cluster import table

    sys.exit(table.cancel(study))
