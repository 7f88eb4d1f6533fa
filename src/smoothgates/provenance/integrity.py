"""Whether result files are as they were written. The record beside each result holds the digests of its files.

The seal of a record and its digests detect accidents and casual edits. They do not stop anyone from forging a result
together with its record: for that, a reviewer follows the chain from data to scores, and the commits in the records,
with `verify`.
"""

from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import digest
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.run_record import RunRecord
from smoothgates.io.paths import record_of
from smoothgates.io.seal import intact


def read_record(path: Path) -> dict:
    """Content of a run.json. Raises BadInput if it is missing, malformed, or does not match its own seal."""
    facts = read_manifest(path, RunRecord)
    if not intact(facts):
        raise BadInput(f"{path}: does not match its own seal")
    return facts


def vouched(path: Path, result: Path | None = None) -> Path:
    """`path`, a file of a result. Raises BadInput unless it matches its digest in the record beside it.

    `result`: the file of the result that the record is beside, if it is another one.
    """
    _vouching(path, result or path)
    return path


def _vouching(path: Path, result: Path) -> dict:
    """The record beside `result`, which vouches for `path`. Raises BadInput as `vouched`."""
    name = record_of(result.as_posix())
    record = read_record(Path(name))
    if (made := _listed(path, record["outputs"])) is None:
        raise BadInput(f"{path}: {name} does not account for it")
    if (found := digest_now(path)) is None:
        raise BadInput(f"{path}: no such file, or it cannot be read")
    if found != made:
        raise BadInput(f"{path}: does not match the digest in its record")
    return record


def _listed(path: Path, outputs: dict[str, str]) -> str | None:
    """The digest of a file in a record. Names that differ may mean the same file: links are followed, if need be."""
    if made := outputs.get(path.as_posix()):
        return made
    wanted = path.resolve()
    return next((made for name, made in outputs.items() if Path(name).resolve() == wanted), None)


def unchanged(path: Path) -> Path:
    """`path`, a file of a result. Raises BadInput unless it is `vouched` for and its inputs are unchanged since."""
    for source, made in _vouching(path, path)["inputs"].items():
        if digest_now(Path(source)) != made:
            raise BadInput(f"{path}: {source} has changed since it was made: run the study again")
    return path


def fault_of(error: BadInput) -> dict[str, str | None]:
    """The file that an error is about, what is wrong with it, and its sha256, or None if it cannot be read."""
    file, _, why = str(error).partition(": ")
    return {"file": file, "why": why, "sha256": digest_now(Path(file))}


def digest_now(path: Path) -> str | None:
    """sha256 of a file; None if it is missing or cannot be read."""
    try:
        return digest(path)
    except OSError:
        return None
