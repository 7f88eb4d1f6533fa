"""Messages between ranks, as bytes: JSON and tensors, never pickles, so that reading one runs no code."""

import json
from typing import Any

import torch
from safetensors.torch import load, save

TENSOR = "tensor"
TEXT = "json"


def packed(item: Any) -> bytes:
    """Lists, tuples, dictionaries with string keys, strings, numbers, None, and CPU tensors inside any of these.

    Raises TypeError for anything else.
    """
    tensors: dict[str, torch.Tensor] = {}

    def hold(each: Any) -> dict:
        if not isinstance(each, torch.Tensor):
            raise TypeError(f"ranks exchange JSON and tensors, got {type(each).__name__}")
        name = str(len(tensors))
        tensors[name] = each.detach().clone(memory_format=torch.contiguous_format)  # views of one memory are refused
        return {TENSOR: name}

    text = json.dumps(item, default=hold).encode()
    return save({**tensors, TEXT: torch.frombuffer(bytearray(text), dtype=torch.uint8)})


def unpacked(data: bytes) -> Any:
    """The item; tuples have become lists. Raises SafetensorError, ValueError or LookupError if it is no parcel."""
    tensors = load(data)
    text = bytes(tensors.pop(TEXT).numpy())
    return json.loads(text, object_hook=lambda each: tensors[each[TENSOR]] if each.keys() == {TENSOR} else each)
