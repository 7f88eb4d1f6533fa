"""model.json: the manifest that names a run's policies and the digest of each of their files."""

from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import check_file
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest


def verified_folder(manifest: Path, folder: str | None = None) -> Path:
    """The final policy's folder, or another folder that the manifest names, with every digest verified.

    Raises BadInput if the folder is missing, or if a file is missing or damaged.
    """
    model = read_manifest(manifest, ModelManifest)
    name = folder or model["final"]
    path = manifest.parent / name
    if not path.exists():
        raise BadInput(
            f"{path}: is missing: pruned, or left out of an archive; to restore it, delete {manifest} and run the study"
        )
    for record in model["folders"][name]:
        check_file(record, path)
    return path
