"""Checkpoints: folders that are whole or absent, verified to the last byte before anything goes on from them.

    checkpoints/LATEST           the name of the newest
    checkpoints/000007/          state.safetensors, and manifest.json with the digests of all that is relied on

A folder is written under another name, flushed to disk and renamed, and only then named in LATEST. The one before it
stays, so that there is always one to fall back on.
"""

import hashlib
import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors

from smoothgates.errors import BadInput, TryAgain
from smoothgates.files import digest, read_json
from smoothgates.seal import intact, sealed
from smoothgates.train.flush import flush

SCHEMA = "smoothgates.checkpoint"
KEPT = 2
LATEST = "LATEST"
UNFINISHED = ".unfinished"
"""Suffix of a folder that is being written or deleted."""


def save(folder: Path, tensors: dict[str, torch.Tensor], plain: dict, files: dict[Path, str]) -> None:
    """Add a checkpoint to `folder`.

    `files` are others that it relies on, with their sha256. Raises TryAgain if the disk does not take it: nothing of it
    stays behind, and the checkpoint before it is as it was.
    """
    serial = 1 + max((int(each.name) for each in complete(folder)), default=0)
    target = folder / f"{serial:06d}"
    partial = target.with_suffix(UNFINISHED)
    try:
        folder.mkdir(exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        data = write_tensors({name: tensor.detach().contiguous() for name, tensor in tensors.items()})
        write(partial / "state.safetensors", data)
        manifest = {
            "schema": SCHEMA,
            "schema_version": 1,
            "state_sha256": hashlib.sha256(data).hexdigest(),
            "files": {os.path.relpath(path, folder): sha256 for path, sha256 in files.items()},
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
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):
            (folder / f"{LATEST}{UNFINISHED}").unlink()
        raise TryAgain(f"{folder}: no checkpoint can be saved ({error.strerror}); earlier ones are whole") from None


def load(folder: Path) -> tuple[dict[str, torch.Tensor], dict, str] | None:
    """Tensors, the rest and the name of the newest checkpoint that is whole; None if there is none.

    Each that had to be passed over is told of in one line.
    """
    found = sorted(complete(folder), reverse=True)
    with suppress(OSError, UnicodeDecodeError):
        latest = folder / (folder / LATEST).read_text().strip()
        if latest not in found:
            print(f"{latest}: no such checkpoint, though {LATEST} names it", file=sys.stderr, flush=True)
    for path in found:
        try:
            return *read(path), path.name
        except (BadInput, OSError) as error:
            print(f"{error}; passed over", file=sys.stderr, flush=True)
    if found:
        print(f"{folder}: no checkpoint is whole: starting over", file=sys.stderr, flush=True)
    return None


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """One checkpoint. Raises BadInput, naming the file, if one byte of it or of what it relies on has changed."""
    manifest = read_json(path / "manifest.json", SCHEMA)
    if not intact(manifest):
        raise BadInput(f"{path}/manifest.json: damaged")
    state = path / "state.safetensors"
    data = state.read_bytes() if state.exists() else b""
    if hashlib.sha256(data).hexdigest() != manifest["state_sha256"]:
        raise BadInput(f"{state}: damaged")
    for name, sha256 in manifest["files"].items():
        other = Path(os.path.normpath(path.parent / name))
        if not other.is_file() or digest(other) != sha256:
            raise BadInput(f"{other}: damaged")
    # Copies: tensors that view one buffer are not aligned as torch's own, and kernels may round differently.
    return {name: tensor.clone() for name, tensor in read_tensors(data).items()}, manifest["plain"]


def clear(folder: Path) -> None:
    """Delete what is older than the last two, and what killed processes left."""
    for path in sorted(complete(folder))[:-KEPT]:
        # Under another name first: half of a checkpoint must not look like one.
        path.rename(path.with_suffix(UNFINISHED))
    for path in folder.glob(f"*{UNFINISHED}"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write(path: Path, data: bytes) -> None:
    """Write a file to disk, into a folder that is there: one that is gone is no longer ours to write in."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def complete(folder: Path) -> list[Path]:
    """Checkpoints that were written to their end."""
    return [path for path in folder.glob("*") if path.name.isdigit()]
