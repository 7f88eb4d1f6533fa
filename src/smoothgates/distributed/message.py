"""Messages between ranks: JSON and tensors as bytes, never pickles, so that decoding one runs no code."""

import json
from typing import Any

import torch
from safetensors.torch import load, save

TENSOR = "tensor"
TEXT = "json"


def encode(item: Any) -> bytes:
    """Encode lists, tuples, dictionaries with string keys, strings, numbers, None, and CPU tensors inside any of these.

    Raises TypeError for anything else.
    """
    tensors: dict[str, torch.Tensor] = {}

    def hold(each: Any) -> dict:
        if not isinstance(each, torch.Tensor):
            raise TypeError(f"ranks exchange JSON and tensors, got {type(each).__name__}")
        name = str(len(tensors))
        tensors[name] = each.detach().clone(
            memory_format=torch.contiguous_format
        )  # safetensors refuses tensors that share memory
        return {TENSOR: name}

    text = json.dumps(item, default=hold).encode()
    return save({**tensors, TEXT: torch.frombuffer(bytearray(text), dtype=torch.uint8)})


def decode(data: bytes) -> Any:
    """Decode what `encode` returned; tuples become lists.

    Raises SafetensorError, ValueError or LookupError if the bytes are not such a message.
    """
    tensors = load(data)
    text = bytes(tensors.pop(TEXT).numpy())
    return json.loads(text, object_hook=lambda each: tensors[each[TENSOR]] if each.keys() == {TENSOR} else each)
