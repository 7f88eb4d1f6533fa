"""archive: one file with a study's source, results and report, from which a reviewer rebuilds the report offline."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path, PurePath

from smoothgates.custody.pruned import PRUNED, pruned_folders, pruned_note
from smoothgates.custody.results import files_below, results_of
from smoothgates.custody.show import causes, counts, in_short
from smoothgates.custody.verify import Audit, verify
from smoothgates.errors import BadInput
from smoothgates.files import digest, temporary
from smoothgates.provenance import commit
from smoothgates.study import LoadedStudy

SOURCE = ["Snakefile", "Makefile", "README.md", "LICENSE", "pyproject.toml", ".gitignore"]
SOURCE += ["config", "docs", "envs", "src", "tests", "workflow"]
"""Where the project's own files are. What git knows elsewhere is archived too."""

SUMS, VERSION = "MANIFEST.sha256", "VERSION.json"

MADE = ("__pycache__", ".egg-info")
"""Ends of names that are no source."""

MTIME = 946684800
"""Of every file: 2000-01-01. Equal content gives equal bytes, and no file looks newer than what was made from it."""

BULKY = ("index", "policy", "train")
"""Stages that leave folders of large files, which no report is made from."""

Members = dict[str, Path | bytes]
"""Content of an archive by path."""


def run(study: LoadedStudy, out: Path, weights: bool = False) -> None:
    """Write the archive `out` (.tar.gz) and say what it lacks. BadInput if results are damaged or unaccounted for."""
    audit = verify(study)
    if bad := [finding for finding in audit.findings if finding.kind != "stale" and not finding.is_stray]:
        raise BadInput(f"not archived: {in_short(bad)}")
    members = {**source_files(), **config_files(study), **results(audit, weights)}
    members[VERSION] = as_json(version(audit, weights))
    members[SUMS] = "".join(f"{sha256(members[name])}  {name}\n" for name in sorted(members)).encode()
    write_tar(out, f"smoothgates-{study.name}", members)
    print(f"{out}: {len(members)} files")
    if missing := len(audit.jobs("not yet")):
        print(f"{missing} jobs of {len(audit.states)} are not done yet")
    for line in stale_causes(audit):
        print(line)


def source_files() -> Members:
    """What git keeps, and what it would keep of the project's own folders; without git, all of these."""
    names = git_files("--cached") | git_files("--cached", "--others", "--exclude-standard", "--", *SOURCE)
    if "Snakefile" not in names:
        found = [file for name in SOURCE for file in (files_below(Path(name)) if Path(name).is_dir() else [Path(name)])]
        names = {str(file) for file in found if not any(part.endswith(MADE) for part in file.parts)}
    return {name: Path(name) for name in names if Path(name).is_file()}


def git_files(*words: str) -> set[str]:
    try:
        done = subprocess.run(["git", "ls-files", "-z", *words], capture_output=True, text=True)
    except OSError:
        return set()
    return set(done.stdout.split("\0")) - {""}


def config_files(study: LoadedStudy) -> Members:
    """The study's own files, wherever in the checkout they are."""
    table = study.file.parent / study.config.method_table
    found = {os.path.relpath(path): path for path in (study.file, table)}
    if outside := [path for name, path in found.items() if name.startswith("..")]:
        raise BadInput(f"{outside[0]}: is outside of the checkout: copy it into config/")
    return found


def results(audit: Audit, weights: bool) -> Members:
    """The files of every result that is there, with the note of what is left out."""
    members: Members = {}
    for result in (result for job, _ in audit.states for result in results_of(job)):
        if result.facts is None or not all(map(os.path.exists, result.declared)):
            continue
        record = Path(result.record)
        bulky = not weights and result.facts["stage"] in BULKY
        gone = {folder_in(record, path) for path in result.outputs} - {""} if bulky else pruned_folders(record)
        kept = [path for path in result.outputs if folder_in(record, path) not in gone]
        members |= {path: Path(path) for path in (result.record, *kept)}
        if gone:
            members[str(record.with_name(PRUNED))] = as_json(pruned_note(record, gone))
    return members


def folder_in(record: Path, path: str) -> str:
    """Folder of a result's file, relative to the result; empty for those that lie beside its record."""
    return PurePath(path).parent.relative_to(record.parent).as_posix().removeprefix(".")


def version(audit: Audit, weights: bool) -> dict:
    return {
        "schema": "smoothgates.archive",
        "schema_version": 1,
        "study": audit.study,
        "weights": weights,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **commit(),
        "jobs": counts(audit),
        "stale": stale_causes(audit),
    }


def write_tar(out: Path, folder: str, members: Members) -> None:
    """A .tar.gz of one folder whose bytes depend on nothing but its files' names, contents and right to be run."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = temporary(out)
    try:
        with (
            open(unfinished, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=MTIME) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for name in sorted(members):
                content = members[name]
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.mtime = MTIME
                entry.mode = 0o755 if isinstance(content, Path) and os.access(content, os.X_OK) else 0o644
                entry.size = content.stat().st_size if isinstance(content, Path) else len(content)
                with open(content, "rb") if isinstance(content, Path) else io.BytesIO(content) as source:
                    tar.addfile(entry, source)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def stale_causes(audit: Audit) -> list[str]:
    return causes([finding for finding in audit.findings if finding.kind == "stale"])


def as_json(data: dict) -> bytes:
    return (json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def sha256(content: Path | bytes) -> str:
    return digest(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
