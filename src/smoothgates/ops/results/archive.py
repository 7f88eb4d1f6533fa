"""archive: pack the source, results and report of a study into one file, to rebuild the report offline."""

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import digest, replacing
from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.results import crate
from smoothgates.ops.results.git import git_files
from smoothgates.ops.results.inventory import Result, files_below, results_of
from smoothgates.ops.results.pruned import PRUNED, folder_in, pruned_folders, pruned_note
from smoothgates.ops.results.show import causes, counts, in_short
from smoothgates.ops.results.verify import Audit, verify
from smoothgates.provenance.code_closure import imported_by
from smoothgates.provenance.run_record import commit
from smoothgates.study.loader import LoadedStudy

SOURCE = ["Snakefile", "Makefile", "README.md", "LICENSE", "pyproject.toml"]
SOURCE += ["config", "docs", "envs", "src", "tests", "workflow"]
"""The files and folders of the project, for a copy without git."""

SUMS, VERSION = "MANIFEST.sha256", "VERSION.json"

STUDY = "study"
"""The folder of the archive for files of the study that lie outside of the checkout."""

MADE = ("__pycache__", ".egg-info")
"""Name endings of files that are not source."""

MTIME = 946684800
"""Time of every file, 2000-01-01, so that equal content gives equal bytes, and no file looks newer than its results."""

BULKY = ("index", "policy", "train")
"""Stages that write folders of large files, which the report does not need."""

ELSEWHERE = [Path("results"), Path("reports")]
"""Folders that may be links to another disk."""

Members = dict[str, Path | bytes]
"""Content of an archive, by path."""


def run(study: LoadedStudy, out: Path, weights: bool = False) -> None:
    """Write the archive `out` (.tar.gz), a Workflow Run RO-Crate, and print which jobs and files are missing from it.

    Raises BadInput if results are damaged or have no run record, if a file is a link, or if git does not track a source
    file that jobs use.
    """
    audit = verify(study)
    if bad := [finding for finding in audit.findings if finding.kind != "stale" and not finding.is_stray]:
        raise BadInput(f"not archived: {in_short(bad)}")
    done = finished(audit)
    if not done:
        raise BadInput(f"results/{study.name}: nothing to archive")
    config = config_files(study)
    members = {**source_files(study), **config, **results(done, weights)}
    refuse_links(members)
    members[VERSION] = as_json(version(study, audit, done, weights))
    sums = {name: sha256(content) for name, content in members.items()}
    members[crate.METADATA] = as_json(described(audit, done, config, members, sums))
    sums[crate.METADATA] = sha256(members[crate.METADATA])
    members[SUMS] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    write_tar(out, f"smoothgates-{study.name}", members)
    print(f"{out}: {len(members)} files; to rebuild the report in it: make report STUDY={chosen_there(study)}")
    if missing := len(audit.jobs("not yet")):
        print(f"{missing} jobs of {len(audit.states)} are not done yet")
    for line in stale_causes(audit):
        print(line)


def source_files(study: LoadedStudy) -> Members:
    """The files that git tracks. Without git, those of the project's folders that are not hidden."""
    names = git_files()
    if "Snakefile" not in names:
        found = [file for name in SOURCE for file in (files_below(Path(name)) if Path(name).is_dir() else [Path(name)])]
        names = {str(file) for file in found if not any(part.endswith(MADE) or part[0] == "." for part in file.parts)}
    elif unknown := sorted(name for name in code_in_use(study) - names if not name.startswith("..")):
        raise BadInput(f"{unknown[0]}: not archived: jobs of the study use it, but git does not track it: git add it")
    return {name: Path(name) for name in names if Path(name).is_file() or Path(name).is_symlink()}


def code_in_use(study: LoadedStudy) -> set[str]:
    """The source files that the study's jobs depend on."""
    return {path for made in {(job.stage, job.parts) for job in jobs_of(study)} for path in imported_by(*made)}


def config_files(study: LoadedStudy) -> Members:
    """The study's file, its pins and its methods. Files from outside of the checkout go into study/."""
    own, table = study.config.method_table, study.table
    pins = [study.lock] if study.lock.exists() else []
    found: Members = {os.path.relpath(path): path for path in (study.file, table, *pins)}
    if not any(name.startswith("..") for name in found) and not Path(own or "").is_absolute():
        return found
    beside: Members = {f"{STUDY}/{path.name}": path for path in (study.file, *pins)}
    if own is None:
        return beside | {f"config/{table.name}": table}
    text, count = study.file.read_text(encoding="utf-8"), 1
    if own != table.name:
        text, count = re.subn(r"(?m)^method_table:.*$", lambda _: f"method_table: {json.dumps(table.name)}", text)
    if count != 1 or table.name == study.file.name:
        raise BadInput(f"{study.file}: method_table: not archived: put the table beside the study's file")
    return beside | {f"{STUDY}/{study.file.name}": text.encode(), f"{STUDY}/{table.name}": table}


def chosen_there(study: LoadedStudy) -> str:
    """The STUDY=… that chooses the study in its archive."""
    folder = next(iter(config_files(study))).rpartition("/")[0]
    return study.name if folder == "config" else f"{folder}/{study.path.name}".removeprefix("/")


def finished(audit: Audit) -> list[Result]:
    """The existing results, with their run records."""
    every = [result for job, _ in audit.states for result in results_of(job)]
    return [result for result in every if result.facts and all(map(os.path.exists, result.declared))]


def results(done: list[Result], weights: bool) -> Members:
    """The files of results, and a note of the folders that are left out."""
    members: Members = {}
    for result in done:
        record = Path(result.record)
        bulky = not weights and result.facts["stage"] in BULKY
        every = {folder_in(record, path) for path in result.outputs} - {""}
        gone = every if bulky else pruned_folders(record, result.outputs)
        kept = [path for path in result.outputs if folder_in(record, path) not in gone]
        members |= {path: Path(path) for path in (result.record, *kept)}
        if gone:
            members[str(record.with_name(PRUNED))] = as_json(pruned_note(record, gone, archived=bulky))
    return members


def refuse_links(members: Members) -> None:
    """Raise BadInput if a file is a link or lies behind one, which may lead out of the checkout."""
    for content in members.values():
        for path in (content, *content.parents) if isinstance(content, Path) else ():
            if path.is_symlink() and path not in ELSEWHERE:
                raise BadInput(f"{path}: not archived: expected a file, got a link")


def version(study: LoadedStudy, audit: Audit, done: list[Result], weights: bool) -> dict:
    return {
        "schema": "smoothgates.archive",
        "schema_version": 1,
        "study": audit.study,
        "config": chosen_there(study),
        "weights": weights,
        "made": crate.stamp(crate.span(result.facts for result in done)[1]),
        **commit(),
        "jobs": counts(audit),
        "stale": stale_causes(audit),
    }


def described(audit: Audit, done: list[Result], config: Members, members: Members, sums: dict[str, str]) -> dict:
    """The metadata of the archive as an RO-Crate."""

    def files(names: list[str]) -> crate.Files:
        return {name: (size(members[name]), sums[name]) for name in names}

    shown = [result for result in done if result.facts["stage"] in ("evaluate", "analyse", "report")]
    missing = len(audit.jobs("not yet"))
    return crate.metadata(
        audit.study,
        [result.facts for result in done],
        f"{missing} of its {len(audit.states)} jobs are not done yet." if missing else "All of its jobs are done.",
        commit()["commit"],
        source=files([crate.WORKFLOW]),
        inputs=files(sorted(config)),
        outputs=files(sorted({path for result in shown for path in result.declared})),
        traces=files(sorted(result.record for result in done)),
    )


def write_tar(out: Path, folder: str, members: Members) -> None:
    """Write a .tar.gz of one folder. Its bytes depend only on the names, contents and execute bits of its files."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        replacing(out) as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=MTIME) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name in sorted(members):
            content = members[name]
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.mtime = MTIME
            entry.mode = 0o755 if isinstance(content, Path) and os.access(content, os.X_OK) else 0o644
            entry.size = size(content)
            with open(content, "rb") if isinstance(content, Path) else io.BytesIO(content) as source:
                tar.addfile(entry, source)


def stale_causes(audit: Audit) -> list[str]:
    return causes([finding for finding in audit.findings if finding.kind == "stale"])


def as_json(data: dict) -> bytes:
    return (json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def size(content: Path | bytes) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def sha256(content: Path | bytes) -> str:
    return digest(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
