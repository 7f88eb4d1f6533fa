"""Published models: their files from the hub at a commit, or from a mirror, checked before anything uses them."""

from pathlib import Path

from smoothgates.errors import BadInput
from smoothgates.io.files import link_or_copy, replacing_folder
from smoothgates.io.hub import asking
from smoothgates.policy.save import SMALL, folder_records, small_files
from smoothgates.policy.text import end_ids
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
"""Written by `hf download --local-dir`; its first line is the commit."""


def find_model(model: Model, mirror: Path | None = None) -> Path:
    """The folder of a model's files, checked: in the mirror, or in the hub's cache, which is filled if need be.

    Raises BadInput if the files are missing, damaged or of another revision, and TryAgain if the hub cannot be reached.
    """
    folder = fetch(model) if mirror is None else find_in_mirror(model, mirror)
    check(folder)
    return folder


def find_in_mirror(model: Model, mirror: Path) -> Path:
    """The model's folder in a mirror. Raises BadInput if it is missing, or known to be of another revision."""
    folder = mirror / model.hub
    if not folder.is_dir():
        raise BadInput(f"{folder}: is missing; expected {model.hub} there, because model_mirror is set")
    noted = folder / METADATA
    commit = noted.read_text(encoding="utf-8").split()[0] if noted.is_file() else model.revision
    if commit != model.revision:
        raise BadInput(f"{folder}: expected revision {model.revision} (model.revision), got {commit}")
    return folder


def fetch(model: Model) -> Path:
    """The model's folder in the hub's cache."""
    from huggingface_hub import snapshot_download

    with asking(f"model: {model.hub}@{model.revision}", "model", INSTEAD):
        found = snapshot_download(model.hub, revision=model.revision, allow_patterns=WANTED, ignore_patterns=UNWANTED)
    return Path(found)


def check(folder: Path) -> None:
    """Raise BadInput unless the weights are complete, transformers knows the model, and the tokenizer fits it."""
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise BadInput(f"{folder / name}: no such file")
    shapes(folder)
    rows = known_config(folder).get_text_config().vocab_size
    try:
        tokenizer = load_tokenizer(folder)
    except Exception as error:  # the library raises nothing more specific
        raise BadInput(f"{folder / 'tokenizer.json'}: cannot be read ({' '.join(str(error).split())})") from None
    largest = max(tokenizer.get_vocab().values())
    if largest >= rows:
        raise BadInput(f"{folder}: tokenizer does not fit the model: expected ids up to {rows - 1}, got {largest}")
    for end in end_ids(folder):
        if tokenizer.id_to_token(end) is None:
            raise BadInput(f"{folder}: tokenizer does not fit the model: it lacks the model's end token, id {end}")


def copy_model(folder: Path, out: Path) -> list[dict]:
    """Make `out` a policy folder with the files of `folder`, as links where the disk allows it.

    `out` appears complete or not at all. Returns the records of its files.
    """
    with replacing_folder(out) as unfinished:
        index = [folder / INDEX] if (folder / INDEX).exists() else []
        for file in (*weight_files(folder), *index, *small_files(folder)):
            link_or_copy(file.resolve(), unfinished / file.name)
    return folder_records(out)
