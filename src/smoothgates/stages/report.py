"""report: one self-contained page, with its figures and tables beside it. Never imports torch."""

from pathlib import Path

import pandas as pd

from smoothgates.analysis.collect import CELL
from smoothgates.io.files import read_json, write_atomically
from smoothgates.io.manifests.data import DataManifest
from smoothgates.io.manifests.gates import GatesManifest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.verdicts import VerdictsManifest
from smoothgates.io.paths import Paths
from smoothgates.io.records import parse, parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.report import tables
from smoothgates.report.answer import answer, cells_of_interest
from smoothgates.report.explore import view
from smoothgates.report.figures import CURVES, FigureData, page_figures
from smoothgates.report.findings import findings
from smoothgates.report.gaps import by_file, checked_analysis, matching
from smoothgates.report.page import Page
from smoothgates.report.papers.catalogue import paper_figures
from smoothgates.report.papers.figure import Drawn, paper_data
from smoothgates.report.papers.section import section as papers
from smoothgates.report.publish import publishing
from smoothgates.report.question_figures import figures_of, numbers_of
from smoothgates.report.questions import section as questions
from smoothgates.report.runs import costs, executions, origins, results_of
from smoothgates.report.samples import samples
from smoothgates.report.style import draw_all, gate_colours, look, set_theme
from smoothgates.report.text import as_text, latex
from smoothgates.report.verdicts import section, verdict_numbers, verdict_table
from smoothgates.specs.analyse import AnalyseSpec
from smoothgates.specs.report import ReportSpec

COMPARED = (
    "metric", "difference", "low", "high", "n", "by_seed", "hierarchical_low", "hierarchical_high", "improvement",
    "p", "holm", "family", "smallest_holm", "established", "bound", "detectable",
)  # fmt: skip
"""Columns of a comparison that the report shows."""
ROUTED = ["routing_churn", "routing_drift"]
"""Columns of the metrics of policies with experts."""


def run(spec_text: str, analysis: Path, gates: Path, data: list[Path], out: Path) -> None:
    """Write the page `out`, figures/ (SVG, PDF, some CSV) and tables/ (CSV, LaTeX) beside it: all, or none.

    The page names inputs that do not match their records and leaves them out. Raises BadInput if the analysis or the
    gates are among them.
    """
    spec = parse_spec(ReportSpec, spec_text)
    frames = [analysis.parent / f"{name}.parquet" for name in ("scores", "learning", "curves")]
    gate_curves = gates.parent / "curves.parquet"
    verdicts = analysis.parent / "verdicts.json"
    compared = checked_analysis(spec, analysis, [verdicts, *frames, gates, gate_curves])
    execution = Execution("report", spec, inputs=[analysis, verdicts, *frames, *data, gates, gate_curves])
    paths = Paths(spec.study, analysis.parent.parent.as_posix())
    manifests, unknown = matching(data)
    known = [read_manifest(path, DataManifest) for path in manifests]
    analysed = parse(AnalyseSpec, compared["spec"], str(analysis))
    records, lost = executions(results_of(paths, analysed, spec))
    catalogue = read_json(gates, GatesManifest.SCHEMA)["gates"]
    summaries = pd.DataFrame(compared["summaries"])
    # A study of one method has no comparisons; the tables need the columns.
    comparisons = pd.DataFrame(compared["comparisons"]).reindex(columns=[*CELL, "method", *COMPARED])
    runs, learning, curves, gate_values = map(pd.read_parquet, [*frames, gate_curves])
    methods, sizes = list(spec.order), {task: arms.scale for task, arms in analysed.tasks.items()}
    set_theme()
    looks = look(methods, spec.reference)
    folder = out.parent
    used_by = {name: spec.methods[name].gate for name in spec.order}
    colours = gate_colours([gate["name"] for gate in catalogue], used_by, looks)
    routed = curves.dropna(subset=ROUTED) if set(ROUTED) <= set(curves) else curves.iloc[:0]
    wanted = page_figures(
        FigureData(
            runs=runs,
            summaries=summaries,
            comparisons=comparisons,
            learning=learning,
            curves=curves,
            routed=routed,
            gates=gate_values,
            look=looks,
            gate_colours=colours,
            moe=spec.moe,
        )
    )
    sources = {"runs": runs, "learning": learning, "curves": curves, "gates": gate_values}
    redrawn = paper_figures(paper_data(spec, analysed, sources))
    plotted = {figure.head.id: figure for figure in redrawn if isinstance(figure, Drawn)}
    numbers = {
        "scores": tables.score_table(summaries, comparisons, methods),
        "outcomes": tables.outcomes_table(summaries, comparisons, methods),
        "answers": tables.answers_table(runs, methods),
        "stability": tables.stability_table(runs, methods),
        "data": tables.data_table(known),
    }
    if len(routed):
        numbers["routing"] = tables.routing_table(routed, methods)
    shown = {name: as_text(name, table) for name, table in numbers.items()}
    judged = read_json(verdicts, VerdictsManifest.SCHEMA)
    numbers["verdicts"], shown["verdicts"] = verdict_numbers(judged["verdicts"]), verdict_table(judged["verdicts"])
    numbers["training_curves"] = tables.training_curves(curves, [column for column, _, _ in CURVES])
    if len(learning):
        numbers["learning_curves"] = tables.learning_curves(learning)
    asked = figures_of(judged["questions"], looks)
    drawing = wanted | {name: figure.call for name, figure in plotted.items()} | asked
    with publishing(folder) as new:
        files = {f"{name}.csv": table.to_csv(index=False) for name, table in numbers.items()}
        files |= {f"{name}.tex": latex(table) for name, table in shown.items()}
        for name, content in files.items():
            write_atomically(new / "tables" / name, content.encode())
        for name, figure in plotted.items():
            figure.save_numbers(new / "figures" / f"{name}.csv")
        for name, table in numbers_of(judged["questions"]).items():
            write_atomically(new / "figures" / f"{name}.csv", table.to_csv(index=False).encode())
        svgs = draw_all(drawing, new / "figures")
        page = Page(
            spec=spec,
            figures=svgs,
            tables=shown,
            look=looks,
            findings=findings(summaries, comparisons, spec.reference, spec.confidence),
            warnings=compared["warnings"],
            gaps=by_file([*compared["gaps"], *unknown, *lost]),
            catalogue=catalogue,
            runs=runs,
            costs=costs(records),
            origins=origins(records),
            made_up=tables.made_up(known),
            claims=section(judged, shown["verdicts"]),
            papers=papers(redrawn),
            questions=questions(judged["questions"]),
            answer=answer(comparisons, spec.reference, sizes),
            cells=cells_of_interest(comparisons),
            sizes=sizes,
            read=samples(paths, analysed),
            view=view(runs, learning, curves, looks, spec.moe),
            generated=any(fact["from"] == "generated" for data in known for fact in data["sources"].values()),
        )
        write_atomically(new / out.name, page.html().encode())
    drawn = [folder / "figures" / f"{name}.{suffix}" for name in svgs for suffix in ("svg", "pdf")]
    drawn += [folder / "figures" / f"{name}.csv" for name in (*plotted, *asked)]
    saved = [folder / "tables" / name for name in files]
    execution.write(folder / "run.json", [out, *drawn, *saved])
