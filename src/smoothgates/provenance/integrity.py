"""Does a file say what was measured? Each result has a record beside it, which accounts for its bytes.

The seal of a record and the digests in it are against accidents and casual edits. Whoever wants to forge a result can
write a record for it; then the chain from data to scores and the commit that the records name are what a reviewer
follows, with `verify`.
"""

from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import digest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.run_record import RunRecord
from smoothgates.io.paths import record_of
from smoothgates.io.seal import intact


def read_record(path: Path) -> dict:
    """A run.json as it was written. BadInput if there is none, or another."""
    facts = read_manifest(path, RunRecord)
    if not intact(facts):
        raise BadInput(f"{path}: does not match its own seal")
    return facts


def vouched(path: Path) -> Path:
    """The path of a result's file; BadInput unless the record beside it is sound and accounts for every byte."""
    record = record_of(path.as_posix())
    outputs = {Path(name).resolve(): made for name, made in read_record(Path(record))["outputs"].items()}
    if (made := outputs.get(path.resolve())) is None:
        raise BadInput(f"{path}: {record} does not account for it")
    if (found := digest_now(path)) is None:
        raise BadInput(f"{path}: no such file, or none that can be read")
    if found != made:
        raise BadInput(f"{path}: does not match the digest in its record")
    return path


def unchanged(path: Path) -> Path:
    """The path of a result's file; BadInput unless it is vouched for, and made from what is there now."""
    for source, made in read_record(Path(record_of(vouched(path).as_posix())))["inputs"].items():
        if digest_now(Path(source)) != made:
            raise BadInput(f"{path}: was made from another {source} than there is now: run the study")
    return path


def named(error: BadInput) -> dict[str, str | None]:
    """A file that is not what was measured, why, and its digest, if it has one."""
    file, _, why = str(error).partition(": ")
    return {"file": file, "why": why, "sha256": digest_now(Path(file))}


def digest_now(path: Path) -> str | None:
    """sha256 of a file; None where there is none that can be read."""
    try:
        return digest(path)
    except OSError:
        return None
