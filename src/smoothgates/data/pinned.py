"""Data sets of the Hugging Face Hub: files at a pinned commit, with pinned checksums.

The pins are in `config/sources.lock.yaml`. A set without a pin there is pinned when a study first uses it, in a lock
beside the study. The files are fetched by commit, verified and then read as local files. `datasets.load_dataset` (5.2)
cannot do this offline: with the name of a set it takes the latest cached version of any commit, and with the names of
files it finds none. Once the files are fetched, HF_HUB_OFFLINE=1 works.
"""

import shutil
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from pydantic import Field

from smoothgates.data.sources import Located, convert
from smoothgates.errors import BadInput
from smoothgates.io.documents import read_yaml
from smoothgates.io.files import digest, guarded, replacing, write_atomically
from smoothgates.io.hub import asking
from smoothgates.io.records import Record, parse
from smoothgates.tasks import NAMES, load_task
from smoothgates.tasks.task import Corpus, Example, Source

LOCK = Path("config/sources.lock.yaml")
HEADER = "# sha256 of each public data set's files at its commit. Studies refuse other files.\n"


class Pin(Record):
    """The commit and the digests of a source's files."""

    revision: str = Field(pattern="^[0-9a-f]{40}$")
    """Commit on the hub."""
    files: dict[str, str]
    """sha256 by path."""


def read_pins(lock: Path) -> dict[str, Pin]:
    """Return pins by source, `task/name`."""
    if not lock.exists():
        return {}
    return {name: parse(Pin, pin, f"{lock}: {name}") for name, pin in read_yaml(lock).items()}


def load_pinned(name: str, source: Source, lock: Path = LOCK, own: Path | None = None) -> tuple[list[Example], dict]:
    """Return examples from the hub, and facts. Raises BadInput if the files differ from the pinned ones.

    A source that `lock` does not pin is checked against `own`, the lock beside the study; the first use adds it there.
    """
    _check_on_hub(name, source)
    where = lock if own is None or name in read_pins(lock) else own
    pinned = read_pins(where).get(name)
    if (pinned is None and own is None) or (pinned and pinned.revision != source.revision):
        fault = f"is pinned at {pinned.revision}, its catalogue says {source.revision}" if pinned else "is not pinned"
        raise BadInput(f"{where}: {name} {fault}: run `python -m smoothgates pin {name}` where the hub can be reached")
    files = fetch(name, source)
    if pinned:
        _check_files(name, source, files, pinned, where)
    examples, facts = convert(name, source, _rows(name, files.values()))
    if not pinned:
        # Another process may have pinned it first.
        _check_files(name, source, files, write_pin(name, source, files, where, replace=False), where)
    return examples, {"from": f"{source.hub}@{source.revision}", **facts}


def _check_files(name: str, source: Source, files: dict[str, Path], pinned: Pin, lock: Path) -> None:
    if files.keys() != pinned.files.keys():
        raise BadInput(f"{name}: {source.hub}: has the files {sorted(files)}, {lock} says {sorted(pinned.files)}")
    for path, file in files.items():
        if (found := digest(file)) != pinned.files[path]:
            raise BadInput(f"{file}: damaged: sha256 is {found}, {lock} says {pinned.files[path]}")


def pin(chosen: dict[str, Source], lock: Path = LOCK) -> None:
    """Pin the hub's files of these sources, by `task/name`; other pins stay."""
    for name, source in chosen.items():
        _check_on_hub(name, source)
        files = fetch(name, source)
        convert(name, source, _rows(name, files.values()))  # fails if the rows cannot be read
        # After each source: the next may fail, and fetching one can take an hour.
        write_pin(name, source, files, lock)


def write_pin(name: str, source: Source, files: dict[str, Path], lock: Path, replace: bool = True) -> Pin:
    """Add a pin to a lock, print one line, and return the pin that the lock then has. Other writers wait."""
    new = Pin(revision=source.revision, files={path: digest(file) for path, file in files.items()})
    with guarded(lock):
        pins = read_pins(lock)
        if name in pins and not replace:
            return pins[name]
        pins[name] = new
        text = yaml.safe_dump({key: dict(entry) for key, entry in sorted(pins.items())}, sort_keys=False)
        write_atomically(lock, (HEADER + text).encode())
    print(f"{name}: pinned in {lock}: {source.hub}@{source.revision}, sha256 of {len(files)} files", file=sys.stderr)
    return new


def sources_named(names: list[str]) -> dict[str, Source]:
    """Return sources by `task/name`; the name of a task stands for all its sources on the hub."""
    found = {}
    for wanted in names:
        task, _, name = wanted.partition("/")
        known = load_task(task).sources if task in NAMES else {}
        chosen = {name} if name else {key for key, source in known.items() if source.hub}
        if not known or not chosen <= known.keys():
            raise BadInput(f"{wanted}: expected task/name; tasks: {', '.join(NAMES)}; sources: {', '.join(known)}")
        found |= {f"{task}/{key}": known[key] for key in sorted(chosen)}
    return found


def fetch(name: str, source: Source) -> dict[str, Path]:
    """Return a source's files by their path on the hub, from the cache if they are there."""
    from huggingface_hub import snapshot_download

    patterns = list(source.files)
    with asking(f"{name}: {source.hub}@{source.revision}"):
        folder = Path(
            snapshot_download(source.hub, repo_type="dataset", revision=source.revision, allow_patterns=patterns)
        )
    files = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if not files:
        raise BadInput(f"{name}: {source.hub}@{source.revision}: holds no {' or '.join(patterns)}")
    return {path.relative_to(folder).as_posix(): path for path in files}


def fetch_corpus(corpus: Corpus, out: Path) -> None:
    """Write a corpus as one JSONL file. It is unpacked while it is read: the archive of wiki18 holds 14 GB."""
    from huggingface_hub import hf_hub_download

    what = f"{corpus.hub}@{corpus.revision}"
    with asking(what):
        archive = hf_hub_download(corpus.hub, corpus.archive, repo_type="dataset", revision=corpus.revision)
    if (found := digest(Path(archive))) != corpus.sha256:
        raise BadInput(f"{archive}: damaged: sha256 is {found}, expected {corpus.sha256}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "r|*") as tar, replacing(out) as file:
        for entry in tar:
            if entry.name == corpus.member:
                shutil.copyfileobj(tar.extractfile(entry), file)
                return
        raise BadInput(f"{what}: {corpus.archive} holds no {corpus.member}")


def _check_on_hub(name: str, source: Source) -> None:
    if source.hub is None:
        raise BadInput(f"{name}: is not on the hub: set `data_mirror` to a folder that has it")


def _rows(name: str, files: Iterable[Path]) -> Iterator[Located]:
    import datasets

    paths = [str(file) for file in files]
    kind = "parquet" if paths[0].endswith(".parquet") else "json"
    try:
        rows = datasets.load_dataset(kind, data_files=paths, split="train")
    except (datasets.exceptions.DatasetsError, ValueError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise BadInput(f"{paths[0]}: cannot be read as {kind} ({reason})") from None
    for number, row in enumerate(rows, start=1):
        yield f"{name}: row {number}", row
