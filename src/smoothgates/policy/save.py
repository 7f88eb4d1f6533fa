"""Write policies as ordinary Hugging Face folders, which transformers and vLLM load unchanged."""

from pathlib import Path

from tokenizers import Tokenizer
from torch import Tensor

from smoothgates.io.files import file_entry, write_atomically, write_json
from smoothgates.policy.config import config_of
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.text import CHAT_TEMPLATE
from smoothgates.policy.tokenizer import EOS, PAD, tokenizer_config
from smoothgates.policy.weights import write_weights

SMALL = (".json", ".jinja", ".txt", ".model")
"""Suffixes of the files beside the weights: configuration, tokenizer, chat template. Never code or pickles."""


def save_policy(folder: Path, policy: Decoder, tokenizer: Tokenizer, template: str = CHAT_TEMPLATE) -> list[dict]:
    """Write a policy folder. Returns the records of its files, for the manifest that names the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, {name: tensor.detach() for name, tensor in policy.state_dict().items()})
    end, pad = tokenizer.token_to_id(EOS), tokenizer.token_to_id(PAD)
    write_json(folder / "config.json", config_of(policy.arch, end, pad))
    write_json(folder / "generation_config.json", {"eos_token_id": end, "pad_token_id": pad, "do_sample": True})
    write_atomically(folder / "tokenizer.json", tokenizer.to_str(pretty=False).encode())
    write_json(folder / "tokenizer_config.json", tokenizer_config(tokenizer, template))
    return folder_records(folder)


def save_weights(folder: Path, weights: dict[str, Tensor], like: Path) -> list[dict]:
    """As `write_like`. Returns the records of the folder's files."""
    write_like(folder, weights, like)
    return folder_records(folder)


def write_like(folder: Path, weights: dict[str, Tensor], like: Path) -> None:
    """Write these weights into an existing folder, with the other files of the policy folder `like`."""
    write_weights(folder, weights)
    for path in small_files(like):
        write_atomically(folder / path.name, path.read_bytes(), parents=False)


def small_files(folder: Path) -> list[Path]:
    """The files of a policy folder beside its weights, by name."""
    return [path for path in sorted(folder.iterdir()) if path.suffix in SMALL and not path.name.endswith(".index.json")]


def folder_records(folder: Path) -> list[dict]:
    """Name, size and digest of each file in a folder, by name."""
    return [file_entry(path, folder) for path in sorted(folder.iterdir())]
