"""Which source files the result of a stage depends on, and the digest of these."""

import ast
import hashlib
import os
from functools import cache
from pathlib import Path

from smoothgates.io.files import digest, write_atomically

SOURCE = Path(__file__).resolve().parents[2]

PACKAGE = "smoothgates"


def code_of(stage: str, parts: tuple[str, ...] = ()) -> list[str]:
    """Source files that a stage's result can depend on: its static import closure, as paths from the working directory,
    and templates that lie beside these.

    Gates and tasks are found by listing a folder or by name, which no import shows; a stage that uses some names them
    (`gates.erf`, `tasks.math`), and depends on those alone.
    """
    return [os.path.relpath(file) for file in _closure(stage, parts)]


def _closure(stage: str, parts: tuple[str, ...]) -> list[Path]:
    wanted = [f"{PACKAGE}.stages.{stage}", *(f"{PACKAGE}.{part}" for part in parts)]
    seen: set[str] = set()
    while wanted:
        module = wanted.pop()
        if module not in seen and _file_of(module):
            seen.add(module)
            wanted += _imports(module)
            wanted.append(module.rpartition(".")[0])  # importing a.b runs a/__init__.py first
    files = {_file_of(module) for module in seen}
    templates = {template for folder in {file.parent for file in files} for template in _templates(folder)}
    return sorted(files | templates)


@cache
def code_list(stage: str, parts: tuple[str, ...] = ()) -> str:
    """`code_of` with digests, as `sha256sum` writes it; paths from the source folder, so that a checkout may move."""
    return "".join(f"{_digest(file)}  {file.relative_to(SOURCE).as_posix()}\n" for file in _closure(stage, parts))


def code_digest(stage: str, parts: tuple[str, ...] = ()) -> str:
    """sha256 of `code_list`."""
    return hashlib.sha256(code_list(stage, parts).encode()).hexdigest()


def write_code_list(path: Path, stage: str, parts: tuple[str, ...] = ()) -> None:
    """Write `code_list` where it is not so written yet: one input of a job instead of sixty. With sixty, a dry run of
    ten thousand jobs took 48 s and 950 MB.
    """
    text, new = code_list(stage, parts).encode(), not path.exists()
    if new or path.read_bytes() != text:
        write_atomically(path, text)
    if new:
        # As old as what it lists: it must not look newer than results that came into this checkout with the source.
        newest = max(Path(file).stat().st_mtime for file in code_of(stage, parts))
        os.utime(path, (newest, newest))


@cache
def _file_of(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module.startswith(PACKAGE) and file.is_file():
            return file
    return None


@cache
def _digest(file: Path) -> str:
    return digest(file)


@cache
def _templates(folder: Path) -> tuple[Path, ...]:
    return tuple(folder.glob("*.j2"))


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules that a module's text imports, anywhere in it. `from a import b` may mean a/b.py or a name in a."""
    found = []
    for node in ast.walk(ast.parse(_file_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)
