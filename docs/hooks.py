"""MkDocs hook: one page of the API for each package below src, so that moving a module needs no edit here."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SOURCE = Path(__file__).parents[1] / "src"


def packages() -> dict[str, list[str]]:
    """Modules of each package by dotted name, the package itself first."""
    found: dict[str, list[str]] = {}
    for path in sorted(SOURCE.glob("smoothgates/**/*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[-1] == "__main__":
            continue
        module = ".".join(part for part in parts if part != "__init__")
        found.setdefault(".".join(parts[:-1]), []).append(module)
    return found


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages to the navigation."""
    pages = [{package.removeprefix("smoothgates."): f"api/{package}.md"} for package in packages()]
    config.nav.append({"API": pages})
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages themselves: mkdocstrings puts a module's docstrings at each `:::`."""
    for package, modules in packages().items():
        blocks = "\n".join(f"::: {module}\n    options: {{show_submodules: false}}\n" for module in modules)
        files.append(File.generated(config, f"api/{package}.md", content=f"# {package}\n\n{blocks}"))
    return files
