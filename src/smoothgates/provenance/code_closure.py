"""Which source files the result of a stage depends on, and the digest of their code."""

import ast
import hashlib
import os
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from smoothgates.io.files import digest
from smoothgates.provenance.stat_cache import StatCache

SOURCE = Path(__file__).resolve().parents[2]

PACKAGE = "smoothgates"

NOT_COUNTED = frozenset(
    {
        # They show how far a job is.
        "io.progress",
        # They describe an execution: run.json, which is no part of the result.
        "io.manifests.run_record",
        "provenance.code_closure",
        "provenance.environments",
        "provenance.machine",
        "provenance.run_record",
        "provenance.stat_cache",
        # They end a job with a message, or let it pass unchanged.
        "io.bounds",
        "io.hub",
        "train.run.memory",
    }
)
"""Modules that stages import although no result depends on them, so that a change to one reruns nothing.

The rule: whatever such a module does, a job that succeeds leaves the same result. It takes part in no computation: it
shows, records or refuses. What only these modules import is not counted either.
"""


PARSED = StatCache(Path(".snakemake/parsed.json"), Path(__file__))
"""What `_parse` found in each module, for the other processes of a study.

It vouches for the code that runs: Python trusts its own bytecode by fewer facts about a file.
"""


def code_of(stage: str, parts: tuple[str, ...] = ()) -> list[str]:
    """Source files that the result of a stage depends on, as paths from the working directory.

    They are the modules that the stage imports, directly or not, and the templates beside these modules; without
    NOT_COUNTED. Gates and tasks are found by listing a folder or by name, which no import shows: a stage that uses some
    of them names them as `parts` (`gates.erf`, `tasks.math`), and depends on these alone.
    """
    return code_behind(f"stages.{stage}", *parts)


def code_behind(*modules: str) -> list[str]:
    """The same for any modules of the package, such as `jobs.dag`."""
    return [os.path.relpath(file) for file in _closure(modules, NOT_COUNTED)]


def imported_by(stage: str, parts: tuple[str, ...] = ()) -> list[str]:
    """All source files that a stage can load: `code_of`, and what is not counted."""
    return [os.path.relpath(file) for file in _closure((f"stages.{stage}", *parts), frozenset())]


@cache
def code_digest(stage: str, parts: tuple[str, ...] = ()) -> str:
    """sha256 over digest and path of each file of `code_of`. Paths start at the source folder: a checkout may move."""
    files = _closure((f"stages.{stage}", *parts), NOT_COUNTED)
    lines = "".join(f"{_digest(file)}  {file.relative_to(SOURCE).as_posix()}\n" for file in files)
    PARSED.save()
    return hashlib.sha256(lines.encode()).hexdigest()


def skeleton(code: str | bytes) -> str:
    """Python code as text without comments, docstrings and layout: equal for two files that run alike.

    It is the syntax tree, written in the same way by every supported version of Python: fields without a value are left
    out, because versions differ in which of these they have, and strings are in ASCII, because versions differ in which
    characters they print. Raises SyntaxError.

    >>> skeleton("x = 1  # one") == skeleton("'''About x.'''\\nx = (\\n    1\\n)")
    True
    >>> skeleton("x = 1") == skeleton("x = 1.0")
    False
    """
    return _text_of(ast.parse(code))


def _text_of(node: ast.AST | list | str | int | None) -> str:
    """Text of a node or of a value of a field; empty for None and for a list without items."""
    if node is None:
        return ""
    if isinstance(node, list):
        items = [_text_of(item) for item in node if not _idle(item)]
        return f"[{','.join(items)}]" if items else ""
    if isinstance(node, ast.Constant):
        return ascii(node.value)
    if isinstance(node, ast.JoinedStr):  # Python 3.12 ends a nested format with an empty string
        parts = [_text_of(value) for value in node.values]
        return f"JoinedStr({','.join(part for part in parts if part != ascii(''))})"
    if not isinstance(node, ast.AST):
        return ascii(node)
    fields = [(name, _text_of(getattr(node, name, None))) for name in node._fields if name != "ctx"]
    return f"{type(node).__name__}({','.join(f'{name}={text}' for name, text in fields if text)})"


def _idle(item: ast.AST | str | None) -> bool:
    """Whether it is a statement without effect: a docstring (also of an attribute), `...` or `pass`."""
    return isinstance(item, ast.Pass) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))


def _closure(modules: tuple[str, ...], left_out: frozenset[str]) -> list[Path]:
    wanted = [f"{PACKAGE}.{module}" for module in modules]
    passed = {f"{PACKAGE}.{module}" for module in left_out}
    files: set[Path] = set()
    while wanted:
        module = wanted.pop()
        if module not in passed and (file := _file_of(module)):
            files.add(file)
            wanted += _module(file)[1]
            wanted.append(module.rpartition(".")[0])  # importing a.b runs a/__init__.py first
        passed.add(module)
    templates = {template for folder in {file.parent for file in files} for template in _templates(folder)}
    return sorted(files | templates)


@cache
def _file_of(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_suffix(".py")):  # in the order in which Python looks
        if module.startswith(PACKAGE) and file.is_file():
            return file
    return None


@cache
def _templates(folder: Path) -> tuple[Path, ...]:
    return tuple(folder.glob("*.j2"))


def _digest(file: Path) -> str:
    """sha256 of a module's skeleton; of a template's bytes, because all of its text reaches the page."""
    return _module(file)[0] if file.suffix == ".py" else digest(file)


@cache
def _module(file: Path) -> tuple[str, tuple[str, ...]]:
    """sha256 of a module's skeleton, and its imports from the package."""
    found, *imports = PARSED.get(file, _parse)
    return found, tuple(imports)


def _parse(file: Path) -> list[str]:
    """Both from one parse, which takes most of the time."""
    tree = ast.parse(file.read_bytes())
    package = ".".join(file.parent.relative_to(SOURCE).parts)
    imports = {name for name in _imports(tree, package) if name.startswith(PACKAGE)}
    return [hashlib.sha256(_text_of(tree).encode()).hexdigest(), *sorted(imports)]


def _imports(tree: ast.Module, package: str) -> tuple[str, ...]:
    """Modules that are imported anywhere in a module of `package`. `from a import b` may mean a/b.py or a name in a."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return tuple(found)
