"""The house: every package stands on a floor and imports from lower floors only; files stay short."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src/smoothgates"
FLOORS = (
    ("errors", "seeds"),
    ("gates", "io"),
    ("distributed", "methods", "provenance", "retrieval"),
    ("objective", "tasks"),
    ("data", "specs"),
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
