"""Policies on disk: ordinary Hugging Face folders, loadable by transformers and vLLM as they are."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from tokenizers import Tokenizer

from smoothgates.errors import BadInput
from smoothgates.files import check_file, file_record, read_json, write_atomically, write_json
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.text import Text, compact_text
from smoothgates.policy.tokenizer import ASSISTANT, EOS, PAD, USER, load_tokenizer
from smoothgates.specs import Architecture

MODEL_SCHEMA = "smoothgates.model"

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'user' %}"
    + USER
    + "{{ message.content }}"
    + ASSISTANT
    + "{% else %}{{ message.content }}"
    + EOS
    + "{% endif %}{% endfor %}"
)


def save_policy(folder: Path, policy: Decoder, tokenizer: Tokenizer) -> list[dict]:
    """Write the folder; returns the records of its files, for the manifest that names it."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in policy.state_dict().items()}
    write_atomically(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}))
    arch = policy.arch.model_dump()
    end, pad = tokenizer.token_to_id(EOS), tokenizer.token_to_id(PAD)
    write_json(
        folder / "config.json",
        {
            **{key: value for key, value in arch.items() if key != "rope_theta"},
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "rope_theta": arch["rope_theta"],
            "rope_parameters": {"rope_type": "default", "rope_theta": arch["rope_theta"]},
            "tie_word_embeddings": True,
            "hidden_act": "silu",
            "dtype": "float32",
            "bos_token_id": None,
            "eos_token_id": end,
            "pad_token_id": pad,
        },
    )
    write_json(folder / "generation_config.json", {"eos_token_id": end, "pad_token_id": pad, "do_sample": True})
    write_atomically(folder / "tokenizer.json", tokenizer.to_str(pretty=False).encode())
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": EOS,
            "pad_token": PAD,
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
        },
    )
    return [file_record(path, folder) for path in sorted(folder.iterdir())]


def load_policy(folder: Path) -> tuple[Decoder, Text]:
    """Policy and text of a folder that `save_policy` wrote."""
    config = json.loads((folder / "config.json").read_text())
    arch = Architecture(**{key: config[key] for key in Architecture.model_fields})
    policy = Decoder(arch)
    policy.load_state_dict(load_weights(folder))
    return policy, compact_text(load_tokenizer(folder))


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of a policy folder, by Hugging Face's names."""
    return load_file(folder / "model.safetensors")


def save_weights(folder: Path, weights: dict[str, torch.Tensor], like: Path) -> list[dict]:
    """Fill a folder with these weights, and all else as in the folder `like`; returns its files' records."""
    tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
    write_atomically(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}), parents=False)
    for path in like.iterdir():
        if path.suffix != ".safetensors" and not path.name.endswith(".index.json"):
            write_atomically(folder / path.name, path.read_bytes(), parents=False)
    return [file_record(path, folder) for path in sorted(folder.iterdir())]


def load_manifest_policy(manifest: Path, folder: str | None = None) -> tuple[Decoder, Text]:
    """The final policy that a model.json names, or another folder of it, with every digest verified."""
    return load_policy(verified_folder(manifest, folder))


def verified_folder(manifest: Path, folder: str | None = None) -> Path:
    """The final policy's folder that a model.json names, or another one of it, with every digest verified."""
    model = read_json(manifest, MODEL_SCHEMA)
    folder = folder or model["final"]
    if not (manifest.parent / folder).exists():
        raise BadInput(
            f"{manifest.parent / folder}: is not there: pruned, or left out of an archive;"
            f" to have it again, delete {manifest} and run the study"
        )
    for record in model["folders"][folder]:
        check_file(record, manifest.parent / folder)
    return manifest.parent / folder


def parameter_count(policy: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in policy.parameters())
