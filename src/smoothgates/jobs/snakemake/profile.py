"""Options with which the tools run Snakemake on this machine."""

from pathlib import Path

from smoothgates.errors import BadInput

LOCAL = Path("workflow/profiles/local")


def local_profile() -> list[str]:
    """The options that choose the profile of one machine. Raises BadInput if the working directory is no checkout."""
    if not LOCAL.is_dir():
        raise BadInput(f"{LOCAL}: no such folder: expected the folder of a checkout as working directory")
    return ["--profile", str(LOCAL)]
