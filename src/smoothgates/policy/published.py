"""Published models: their files from the hub at a commit, or from a mirror, checked before anything uses them."""

from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import file_entry, link_or_copy, replacing_folder
from smoothgates.io.hub import asking
from smoothgates.policy.folder import SMALL, small_files
from smoothgates.policy.text import ends_of
from smoothgates.policy.tokenizer import load_tokenizer
from smoothgates.policy.transformer import known_config
from smoothgates.policy.weights import INDEX, shapes, weight_files
from smoothgates.specs.policy import Model

WANTED = ["*.safetensors", *(f"*{suffix}" for suffix in SMALL)]
"""Weights, configuration and tokenizer. Never pickles, never code."""
UNWANTED = ["*/*", "consolidated*"]
"""The same weights in other layouts."""
INSTEAD = (
    "; set model_mirror to a folder that has it, or HF_ENDPOINT to another hub,"
    " or fetch it into the cache (HF_HOME) where the hub can be reached"
)
METADATA = Path(".cache/huggingface/download/config.json.metadata")
"""The first line is the commit, where a mirror was filled by `hf download --local-dir`."""


def find_model(model: Model, mirror: Path | None = None) -> Path:
    """Folder of a model's files, checked: its mirror's, or that of the hub's cache, which is filled if need be.

    Raises BadInput, and TryAgain where the hub cannot be reached.
    """
    if mirror is None:
        folder = fetch(model)
    else:
        folder = mirror / model.hub
        if not folder.is_dir():
            raise BadInput(f"{folder}: no such folder, though model_mirror should hold {model.hub} there")
        noted = folder / METADATA
        commit = noted.read_text(encoding="utf-8").split()[0] if noted.is_file() else model.revision
        if commit != model.revision:
            raise BadInput(f"{folder}: is of revision {commit}, model.revision is {model.revision}")
    check(folder)
    return folder


def fetch(model: Model) -> Path:
    """A model's folder in the hub's cache."""
    from huggingface_hub import snapshot_download

    with asking(f"model: {model.hub}@{model.revision}", "model", INSTEAD):
        found = snapshot_download(model.hub, revision=model.revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
    return Path(found)


def check(folder: Path) -> None:
    """Raise BadInput unless weights are whole and safe, transformers knows the model, and the tokenizer is its own."""
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name}: no such file")
    shapes(folder)
    rows = known_config(folder).get_text_config().vocab_size
    try:
        tokenizer = load_tokenizer(folder)
    except Exception as error:  # the library raises nothing more special
        raise BadInput(f"{folder / 'tokenizer.json'}: cannot be read ({' '.join(str(error).split())})") from None
    most = max(tokenizer.get_vocab().values())
    if most >= rows:
        raise BadInput(f"{folder}: mismatched tokenizer: it has the id {most}, the model's ids end at {rows - 1}")
    for end in ends_of(folder):
        if tokenizer.id_to_token(end) is None:
            raise BadInput(f"{folder}: mismatched tokenizer: it has no id {end}, with which the model ends")


def take(folder: Path, out: Path) -> list[dict]:
    """Make `out` a policy folder with the files of another, as links where the disk allows it; returns their records.

    It is whole or absent.
    """
    with replacing_folder(out) as unfinished:
        index = [folder / INDEX] if (folder / INDEX).exists() else []
        for file in (*weight_files(folder), *index, *small_files(folder)):
            link_or_copy(file.resolve(), unfinished / file.name)
    return [file_entry(path, out) for path in sorted(out.iterdir())]
