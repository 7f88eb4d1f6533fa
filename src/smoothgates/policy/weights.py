"""Weights on disk: safetensors, in one file or in shards with an index, as transformers and vLLM read them."""

import math
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from smoothgates.errors import BadInput
from smoothgates.io.documents import load_json
from smoothgates.io.files import write_atomically, write_json

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD = 5 * 10**9
"""Most bytes of a file, unless one tensor is larger."""


def weight_files(folder: Path) -> list[Path]:
    """The files with a folder's weights. Raises BadInput if one is missing."""
    names = {WHOLE}
    if (index := folder / INDEX).exists():
        try:
            names = set(load_json(index)["weight_map"].values())
        except (LookupError, TypeError, AttributeError) as error:
            raise BadInput(f"{index}: expected a weight_map from tensors to files ({error})") from None
    files = [folder / name for name in sorted(names)]
    for file in files:
        if not file.is_file():
            raise BadInput(f"{file}: no such file; weights are read from safetensors only")
        if file.parent != folder:
            raise BadInput(f"{index}: names a file of another folder: {file}")
    return files


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a policy folder, by Hugging Face's names. Raises BadInput if a file is missing."""
    return {name: tensor for file in weight_files(folder) for name, tensor in load_file(file).items()}


def shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor, from the headers of the files. Raises BadInput if one is missing or damaged."""
    return dict(_shapes(folder))


def _shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                    yield name, tuple(tensors.get_slice(name).get_shape())
        except SafetensorError as error:
            raise BadInput(f"{file}: damaged: cannot be read as safetensors ({error})") from None


def count_parameters(folder: Path) -> int:
    """Parameters in a folder's weights."""
    return sum(map(math.prod, shapes(folder).values()))


def write_weights(folder: Path, weights: dict[str, Tensor], shard: int = SHARD) -> None:
    """Write weights into an existing folder, in files of at most `shard` bytes. Equal weights give equal bytes."""
    parts = {WHOLE: list(weights)}
    total = sum(tensor.nbytes for tensor in weights.values())
    if total > shard:
        from huggingface_hub import split_torch_state_dict_into_shards

        parts = split_torch_state_dict_into_shards(weights, max_shard_size=shard).filename_to_tensors
    for file, names in parts.items():
        tensors = {name: weights[name].contiguous() for name in names}
        write_atomically(folder / file, save(tensors, metadata={"format": "pt"}), parents=False)
    if len(parts) > 1:
        places = {name: file for file, names in parts.items() for name in names}
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places}, parents=False)
