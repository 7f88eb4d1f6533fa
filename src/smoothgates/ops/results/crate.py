"""The metadata of an archive as a Workflow Run RO-Crate: what was run, its inputs and its outputs.

Profile: Workflow Run Crate 0.5 (https://w3id.org/ro/wfrun/workflow/0.5), which is based on Process Run Crate, Workflow
RO-Crate and RO-Crate 1.1.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

METADATA = "ro-crate-metadata.json"
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
CRATE = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    WORKFLOW_CRATE: "Workflow RO-Crate",
}
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
LICENCE = "https://spdx.org/licenses/MIT"
FORMATS = {
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".html": "text/html",
    ".parquet": "application/vnd.apache.parquet",
}
"""Media types by file extension."""

WORKFLOW, RUN = "Snakefile", "#run"

Files = dict[str, tuple[int, str]]
"""Size and sha256 of files, by path."""


def metadata(name: str, facts: list[dict], state: str, commit: str | None, **files: Files) -> dict:
    """Content of ro-crate-metadata.json.

    `facts`: the run records of all results of the study `name`. `state`: a sentence on their completeness. `files`:
    `source`, the Snakefile; `inputs`, the config of the run; `outputs`, its results; `traces`, the run record files.
    """
    began, ended = span(facts)
    libraries = sorted({pair for each in facts for pair in each["versions"].items()})
    snakemake = [version for library, version in libraries if library == "snakemake"]
    parts = [entity for found in files.values() for entity in map(file, found.items())]
    for entity in parts:
        if entity["@id"] == WORKFLOW:
            entity |= {
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
                "name": "smoothgates",
                "programmingLanguage": to(LANGUAGE),
                "softwareRequirements": [to(package(*library)) for library in libraries],
                **({"version": commit} if commit else {}),
            }
        elif entity["@id"] in map(quote, files["traces"]):
            entity["about"] = to(RUN)
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"smoothgates: the study {name}",
        "description": f"Source, results and report of the study {name}. {state}",
        "datePublished": stamp(ended)[:10],
        "license": to(LICENCE),
        "conformsTo": list(map(to, PROFILES)),
        "hasPart": [to(entity["@id"]) for entity in parts],
        "mainEntity": to(WORKFLOW),
        "mentions": [to(RUN)],
    }
    run = {
        "@id": RUN,
        "@type": "CreateAction",
        "name": f"Run of the study {name}",
        "description": f"{len(facts)} results. {state}",
        "instrument": to(WORKFLOW),
        "startTime": stamp(began),
        "endTime": stamp(ended),
        "object": [to(quote(path)) for path in files["inputs"]],
        "result": [to(quote(path)) for path in files["outputs"]],
    }
    return {
        "@context": CONTEXT,
        "@graph": [
            {
                "@id": METADATA,
                "@type": "CreativeWork",
                "about": to("./"),
                "conformsTo": [to(CRATE), to(WORKFLOW_CRATE)],
            },
            root,
            *(
                {"@id": profile, "@type": "CreativeWork", "name": title, "version": profile.rpartition("/")[2]}
                for profile, title in PROFILES.items()
            ),
            {"@id": LICENCE, "@type": "CreativeWork", "name": "MIT License", "identifier": LICENCE},
            {
                "@id": LANGUAGE,
                "@type": "ComputerLanguage",
                "name": "Snakemake",
                "identifier": to("https://doi.org/10.1093/bioinformatics/bts480"),
                "url": to("https://snakemake.readthedocs.io"),
                **({"version": snakemake[-1]} if snakemake else {}),
            },
            *(
                {"@id": package(*each), "@type": "SoftwareApplication", "name": each[0], "version": each[1]}
                for each in libraries
            ),
            run,
            *parts,
        ],
    }


def to(name: str) -> dict[str, str]:
    """A reference to another entity."""
    return {"@id": name}


def package(name: str, version: str) -> str:
    """A Python package as a package URL (purl)."""
    return f"pkg:pypi/{name}@{quote(version)}"


def file(described: tuple[str, tuple[int, str]]) -> dict:
    """A file as an entity."""
    path, (size, sha256) = described
    kind = next((kind for end, kind in FORMATS.items() if path.endswith(end)), "text/plain")
    common = {"@id": quote(path), "@type": "File", "name": path, "encodingFormat": kind}
    return {**common, "contentSize": str(size), "sha256": sha256}


def span(facts: Iterable[dict]) -> tuple[datetime, datetime]:
    """The times when the first of some results began and the last one ended."""
    began = [(datetime.strptime(each["began"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC), each) for each in facts]
    return min(start for start, _ in began), max(start + timedelta(seconds=each["seconds"]) for start, each in began)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
