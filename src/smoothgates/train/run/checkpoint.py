"""Checkpoints: folders that are complete or absent, and verified to the last byte before a run resumes from one.

    checkpoints/LATEST           the name of the newest
    checkpoints/000007/          state.safetensors, each rank's part, and manifest.json with all digests

A folder is written under another name, flushed to disk and renamed, and then named in LATEST. The checkpoint before it
is kept to fall back on.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import load_file, save_file
from safetensors.torch import save as tensor_bytes

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import digest, flush, read_json, temporaries, write_atomically
from smoothgates.io.seal import intact, sealed
from smoothgates.train.run.retention import LAST

SCHEMA = "smoothgates.checkpoint"
LATEST = "LATEST"
UNFINISHED = ".unfinished"
"""Suffix of a folder that is being written or deleted."""


def save(
    folder: Path,
    tensors: dict[str, torch.Tensor],
    plain: dict,
    files: dict[Path, str],
    ranks: Ranks,
    part: dict[str, torch.Tensor],
) -> None:
    """Add a checkpoint to `folder`, which all ranks share. Called by all ranks.

    Args:
        tensors, plain: the state as tensors and as JSON; rank 0's are written.
        files: other files that the checkpoint relies on, with their sha256.
        part: this rank's own tensors.

    Raises TryAgain if it cannot be written: nothing of it is left, and earlier checkpoints are untouched.
    """
    number = ranks.broadcast(1 + max((int(each.name) for each in complete(folder)), default=0))
    target = folder / f"{number:06d}"
    partial = target.with_suffix(UNFINISHED)
    try:
        with ranks.failing_together(), disk_errors(folder):
            if ranks.is_main:
                folder.mkdir(exist_ok=True)
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
        own, sha256 = part_of(partial, ranks), ""
        with ranks.failing_together(), disk_errors(folder):
            save_file(contiguous(part), own)
            flush(own)
            sha256 = digest(own)
        parts = dict(ranks.gather((own.name, sha256)))
        with ranks.failing_together(), disk_errors(folder):
            if ranks.is_main:
                finish(partial, target, tensors, {"plain": plain, "parts": parts, "files": relative(files, folder)})
    except TryAgain:
        if ranks.is_main:
            shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn errors of the disk into TryAgain."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        cause = getattr(error, "strerror", None) or error
        raise TryAgain(f"{folder}: no checkpoint can be saved ({cause}); earlier ones are intact") from None


def relative(files: dict[Path, str], folder: Path) -> dict[str, str]:
    """The same digests by paths relative to a folder, so that a checkout may be moved."""
    return {os.path.relpath(path, folder): sha256 for path, sha256 in files.items()}


def finish(partial: Path, target: Path, tensors: dict[str, torch.Tensor], facts: dict) -> None:
    """Complete the folder that holds the parts of all ranks, rename it to `target`, and name it in LATEST."""
    data = tensor_bytes(contiguous(tensors))
    write_atomically(partial / "state.safetensors", data, parents=False)
    manifest = {"schema": SCHEMA, "schema_version": 1, "state_sha256": hashlib.sha256(data).hexdigest(), **facts}
    text = json.dumps(sealed(manifest), allow_nan=False)
    write_atomically(partial / "manifest.json", text.encode(), parents=False)
    flush(partial)
    partial.rename(target)
    flush(target.parent)
    write_atomically(target.parent / LATEST, target.name.encode(), parents=False)
    flush(target.parent)
    delete_old(target.parent)


def load(folder: Path, ranks: Ranks) -> tuple[dict[str, torch.Tensor], dict, Path] | None:
    """Tensors, plain state and folder of the newest intact checkpoint; None if there is none.

    All ranks get the same one. Each damaged checkpoint is reported in one line.
    """

    def report(line: str) -> None:
        if ranks.is_main:
            print(line, file=sys.stderr, flush=True)

    found = [folder / name for name in ranks.broadcast(sorted((each.name for each in complete(folder)), reverse=True))]
    with suppress(OSError, UnicodeDecodeError):
        latest = folder / (folder / LATEST).read_text(encoding="utf-8").strip()
        if latest not in found:
            report(f"{latest}: this checkpoint is missing, but {LATEST} names it")
    for path in found:
        try:
            with ranks.failing_together():
                tensors, plain = read(path, ranks)
        except BadInput as error:
            report(f"{error}; trying an earlier checkpoint")
        else:
            return tensors, plain, path
    if found:
        report(f"{folder}: no checkpoint is intact: starting over")
    return None


def read(path: Path, ranks: Ranks) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors and plain state of one checkpoint.

    Raises BadInput naming the file if one byte of it, or of a file that it relies on, has changed. The ranks share the
    work of verifying files.
    """
    try:
        manifest = read_json(path / "manifest.json", SCHEMA)
        if not intact(manifest):
            raise BadInput(f"{path}/manifest.json: damaged")
        state = path / "state.safetensors"
        data = state.read_bytes() if state.exists() else b""
        if hashlib.sha256(data).hexdigest() != manifest["state_sha256"]:
            raise BadInput(f"{state}: damaged")
        files = {Path(os.path.normpath(path.parent / name)): sha256 for name, sha256 in manifest["files"].items()}
        files |= {path / name: sha256 for name, sha256 in manifest["parts"].items()}
        for other, sha256 in list(files.items())[ranks.rank :: ranks.size]:
            if not other.is_file() or digest(other) != sha256:
                raise BadInput(f"{other}: damaged")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror})") from None
    # Copies: tensors that view one buffer are not aligned like torch's own, and kernels may round differently.
    return {name: tensor.clone() for name, tensor in read_tensors(data).items()}, manifest["plain"]


def read_part(path: Path, ranks: Ranks) -> dict[str, torch.Tensor]:
    """This rank's part of a checkpoint that `load` has verified. The number of ranks must be the one that saved it."""
    return load_file(part_of(path, ranks))


def part_of(path: Path, ranks: Ranks) -> Path:
    """The file of this rank's part."""
    return path / f"rank{ranks.rank}.safetensors"


def contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors in the form that safetensors accepts."""
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def delete_old(folder: Path) -> None:
    """Delete all but the last two checkpoints, and what killed processes left."""
    for path in sorted(complete(folder))[:-LAST]:
        # Renamed first, so that a partly deleted checkpoint does not look complete.
        path.rename(path.with_suffix(UNFINISHED))
    for path in folder.glob(f"*{UNFINISHED}"):
        shutil.rmtree(path)
    for path in temporaries(folder / LATEST):
        path.unlink()


def complete(folder: Path) -> list[Path]:
    """Folders of checkpoints that were written completely."""
    return [path for path in folder.glob("*") if path.name.isdigit()]
