"""The house: every package stands on a floor and imports from lower floors only; files and signatures stay short."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/smoothgates"
FLOORS = (
    ("errors", "prefork", "seeds"),
    ("gates", "io"),
    ("distributed", "methods", "provenance", "retrieval"),
    ("objective", "tasks"),
    ("specs",),
    ("data",),
    ("analysis", "policy"),
    ("report", "rollout", "study"),
    ("evaluate", "jobs", "train"),
    ("ops", "stages"),
    ("cli",),
    ("__main__",),
)
"""From the lowest up. Packages on one floor do not import each other."""
LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}
FILES = sorted(SOURCE.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Packages of the project that a file imports, its own aside."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("smoothgates"):
            _, *rest = node.module.split(".")
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("smoothgates.")}
    return found - {package_of(file)}


def package_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def test_every_package_has_a_floor_and_every_floor_its_packages():
    assert {package_of(file) for file in FILES} - {"__init__"} == set(LEVEL)


@pytest.mark.parametrize("name", LEVEL)
def test_imports_go_down(name):
    for file in FILES:
        if package_of(file) == name:
            upward = {other for other in imported(file) if LEVEL[other] >= LEVEL[name]}
            assert not upward, f"{file.relative_to(SOURCE)} imports {', '.join(sorted(upward))}"


def test_no_file_is_long():
    root = SOURCE.parents[1]
    files = [*FILES, *root.glob("tests/**/*.py"), *root.glob("workflow/**/*.smk"), root / "Snakefile"]
    assert [str(file.relative_to(root)) for file in files if len(file.read_text().splitlines()) > 400] == []


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_no_module_imports_itself_through_others():
    """Imports inside functions are left out: they run after every module is loaded."""
    modules = {module_of(file) for file in FILES}
    graph = {}
    for file in FILES:
        found = set()
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                named = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (named & modules) | ({node.module} if named - modules else set())
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        graph[module_of(file)] = found & modules
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circle of imports: {' <- '.join(error.args[1])}")


def test_results_do_not_import_the_cluster_that_imports_them():
    """Two packages that import each other are one package."""
    below = SOURCE / "ops/results"
    assert not [file.name for file in below.glob("*.py") if "smoothgates.ops.cluster" in file.read_text()]


LONG_COMMANDS = {"cli.train"}
"""Commands whose options typer reads from a signature."""


def test_signatures_are_short():
    long = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if len([each for each in every if each.arg not in ("self", "cls")]) > 6:
                    long.add(f"{module_of(file).removeprefix('smoothgates.')}.{node.name}")
    assert long == LONG_COMMANDS


def test_a_schema_is_spelled_in_one_module():
    spelled = {}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                prefix, _, name = node.value.partition(".")
                if prefix == "smoothgates" and name.isidentifier():
                    spelled.setdefault(node.value, set()).add(str(file.relative_to(SOURCE)))
    assert {schema: files for schema, files in spelled.items() if len(files) > 1} == {}
