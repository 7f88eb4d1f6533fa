"""Checkpoints: folders that are whole or absent, verified to the last byte before anything goes on from them.

    checkpoints/LATEST           the name of the newest
    checkpoints/000007/          state.safetensors, each rank's part, and manifest.json with all digests

A folder is written under another name, flushed to disk and renamed, and only then named in LATEST. The one before it
stays, so that there is always one to fall back on.
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
from safetensors.torch import save as write_tensors

from smoothgates.distributed.ranks import Ranks
from smoothgates.errors import BadInput, TryAgain
from smoothgates.io.files import digest, flush, flushed, read_json
from smoothgates.io.seal import intact, sealed

SCHEMA = "smoothgates.checkpoint"
KEPT = 2
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
    """Add a checkpoint to `folder`, which all ranks share: rank 0's `tensors` and `plain`, and each rank's part.

    `files` are others that it relies on, with their sha256. Raises TryAgain if the disk does not take it: nothing of it
    stays behind, and the checkpoint before it is as it was.
    """
    serial = ranks.first(1 + max((int(each.name) for each in complete(folder)), default=0))
    target = folder / f"{serial:06d}"
    partial = target.with_suffix(UNFINISHED)
    try:
        with ranks.as_one(), told(folder):
            if ranks.leads:
                folder.mkdir(exist_ok=True)
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
        own, sha256 = part_of(partial, ranks), ""
        with ranks.as_one(), told(folder):
            save_file(whole(part), own)
            flush(own)
            sha256 = digest(own)
        parts = dict(ranks.gather((own.name, sha256)))
        with ranks.as_one(), told(folder):
            if ranks.leads:
                finish(partial, target, tensors, plain, files, parts)
    except TryAgain:
        if ranks.leads:
            shutil.rmtree(partial, ignore_errors=True)
            with suppress(OSError):
                (folder / f"{LATEST}{UNFINISHED}").unlink()
        raise


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Errors of the disk become TryAgain."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        cause = getattr(error, "strerror", None) or error
        raise TryAgain(f"{folder}: no checkpoint can be saved ({cause}); earlier ones are whole") from None


def finish(
    partial: Path,
    target: Path,
    tensors: dict[str, torch.Tensor],
    plain: dict,
    files: dict[Path, str],
    parts: dict[str, str],
) -> None:
    """Make a checkpoint of the folder that holds all ranks' parts."""
    folder = target.parent
    data = write_tensors(whole(tensors))
    write(partial / "state.safetensors", data)
    manifest = {
        "schema": SCHEMA,
        "schema_version": 1,
        "state_sha256": hashlib.sha256(data).hexdigest(),
        "files": {os.path.relpath(path, folder): sha256 for path, sha256 in files.items()},
        "parts": parts,
        "plain": plain,
    }
    write(partial / "manifest.json", json.dumps(sealed(manifest), allow_nan=False).encode())
    flush(partial)
    partial.rename(target)
    flush(folder)
    write(folder / f"{LATEST}{UNFINISHED}", target.name.encode())
    (folder / f"{LATEST}{UNFINISHED}").rename(folder / LATEST)
    flush(folder)
    clear(folder)


def load(folder: Path, ranks: Ranks) -> tuple[dict[str, torch.Tensor], dict, Path] | None:
    """Tensors, the rest and the folder of the newest checkpoint that is whole; None if there is none.

    The same one on every rank. Each that had to be passed over is told of in one line.
    """

    def tell(line: str) -> None:
        if ranks.leads:
            print(line, file=sys.stderr, flush=True)

    found = [folder / name for name in ranks.first(sorted((each.name for each in complete(folder)), reverse=True))]
    with suppress(OSError, UnicodeDecodeError):
        latest = folder / (folder / LATEST).read_text(encoding="utf-8").strip()
        if latest not in found:
            tell(f"{latest}: no such checkpoint, though {LATEST} names it")
    for path in found:
        try:
            with ranks.as_one():
                tensors, plain = read(path, ranks)
        except BadInput as error:
            tell(f"{error}; passed over")
        else:
            return tensors, plain, path
    if found:
        tell(f"{folder}: no checkpoint is whole: starting over")
    return None


def read(path: Path, ranks: Ranks) -> tuple[dict[str, torch.Tensor], dict]:
    """One checkpoint. Raises BadInput, naming the file, if one byte of it or of what it relies on has changed.

    The ranks share the work of looking at large files.
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
    # Copies: tensors that view one buffer are not aligned as torch's own, and kernels may round differently.
    return {name: tensor.clone() for name, tensor in read_tensors(data).items()}, manifest["plain"]


def read_part(path: Path, ranks: Ranks) -> dict[str, torch.Tensor]:
    """This rank's part of a checkpoint that `load` has found, made by as many ranks."""
    return load_file(part_of(path, ranks))


def part_of(path: Path, ranks: Ranks) -> Path:
    return path / f"rank{ranks.rank}.safetensors"


def whole(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As safetensors takes them."""
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}


def clear(folder: Path) -> None:
    """Delete what is older than the last two, and what killed processes left."""
    for path in sorted(complete(folder))[:-KEPT]:
        # Under another name first: half of a checkpoint must not look like one.
        path.rename(path.with_suffix(UNFINISHED))
    for path in folder.glob(f"*{UNFINISHED}"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write(path: Path, data: bytes) -> None:
    """Write a file to disk, into a folder that is there: one that is gone is no longer ours to write in."""
    with flushed(path) as file:
        file.write(data)


def complete(folder: Path) -> list[Path]:
    """Checkpoints that were written to their end."""
    return [path for path in folder.glob("*") if path.name.isdigit()]
