"""Policies on disk: ordinary Hugging Face folders, loadable by transformers and vLLM as they are."""

from pathlib import Path

import torch
from tokenizers import Tokenizer

from smoothgates.errors import BadInput
from smoothgates.io.documents import load_json
from smoothgates.io.files import check_file, file_entry, write_atomically, write_json
from smoothgates.io.manifests.manifest import read_manifest
from smoothgates.io.manifests.model import ModelManifest
from smoothgates.policy.config import architecture_of, config_of
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.policy import Policy
from smoothgates.policy.text import Text, compact_text, published_text
from smoothgates.policy.tokenizer import CHAT_TEMPLATE, EOS, PAD, load_tokenizer, settings_of
from smoothgates.policy.weights import load_weights, write_weights

SMALL = (".json", ".jinja", ".txt", ".model")
HEAD = "lm_head.weight"


def save_policy(folder: Path, policy: Decoder, tokenizer: Tokenizer, template: str = CHAT_TEMPLATE) -> list[dict]:
    """Write the folder; returns the records of its files, for the manifest that names it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, {name: tensor.detach() for name, tensor in policy.state_dict().items()})
    end, pad = tokenizer.token_to_id(EOS), tokenizer.token_to_id(PAD)
    write_json(folder / "config.json", config_of(policy.arch, end, pad))
    write_json(folder / "generation_config.json", {"eos_token_id": end, "pad_token_id": pad, "do_sample": True})
    write_atomically(folder / "tokenizer.json", tokenizer.to_str(pretty=False).encode())
    write_json(folder / "tokenizer_config.json", settings_of(tokenizer, template))
    return [file_entry(path, folder) for path in sorted(folder.iterdir())]


def load_policy(folder: Path, published: bool = False, dtype: str = "float32") -> tuple[Policy, Text]:
    """Policy and text of a folder. `published`: it is not ours: transformers runs it, with weights of `dtype`."""
    if published:
        from smoothgates.policy.transformer import load_transformer

        return load_transformer(folder, dtype), load_text(folder, published)
    return load_compact(folder), load_text(folder)


def load_compact(folder: Path) -> Decoder:
    """The compact decoder with the weights of a folder; BadInput if that holds another kind of model."""
    config = load_json(folder / "config.json")
    policy = Decoder(architecture_of(config, str(folder)), config.get("tie_word_embeddings", False))
    fill(policy, folder)
    return policy


def fill(policy: Decoder, folder: Path) -> None:
    """Load the weights of a folder into a policy like the one that it was made of."""
    weights = load_weights(folder)
    if policy.lm_head is None:
        weights.pop(HEAD, None)  # some models store the one matrix twice
    policy.load_state_dict(weights)


def load_text(folder: Path, published: bool = False) -> Text:
    """How the policy of a folder is spoken to."""
    return published_text(folder) if published else compact_text(load_tokenizer(folder))


def save_weights(folder: Path, weights: dict[str, torch.Tensor], like: Path) -> list[dict]:
    """As `write_like`; returns the records of the folder's files."""
    write_like(folder, weights, like)
    return [file_entry(path, folder) for path in sorted(folder.iterdir())]


def write_like(folder: Path, weights: dict[str, torch.Tensor], like: Path) -> None:
    """Fill a folder, which must exist, with these weights, and all else as in the policy folder `like`."""
    write_weights(folder, weights)
    for path in small_files(like):
        write_atomically(folder / path.name, path.read_bytes(), parents=False)


def small_files(folder: Path) -> list[Path]:
    """What a policy folder holds beside weights: configuration, tokenizer, chat template. Never code or pickles."""
    return [path for path in sorted(folder.iterdir()) if path.suffix in SMALL and not path.name.endswith(".index.json")]


def load_manifest_policy(manifest: Path) -> tuple[Decoder, Text]:
    """The final policy that a model.json names, with every digest verified."""
    return load_policy(verified_folder(manifest))


def verified_folder(manifest: Path, folder: str | None = None) -> Path:
    """The final policy's folder that a model.json names, or another one of it, with every digest verified."""
    model = read_manifest(manifest, ModelManifest)
    folder = folder or model["final"]
    if not (manifest.parent / folder).exists():
        raise BadInput(
            f"{manifest.parent / folder}: is not there: pruned, or left out of an archive;"
            f" to have it again, delete {manifest} and run the study"
        )
    for record in model["folders"][folder]:
        check_file(record, manifest.parent / folder)
    return manifest.parent / folder
