"""index: an index of passages, for a policy to search."""

from pathlib import Path

from smoothgates.io.files import write_json
from smoothgates.io.manifests.index import IndexManifest
from smoothgates.io.records import parse_spec
from smoothgates.provenance.run_record import Execution
from smoothgates.retrieval.index import FOLDER, build
from smoothgates.retrieval.passages import corpus_files
from smoothgates.retrieval.spec import IndexSpec


def run(spec_text: str, out: Path, env: str | None = None) -> None:
    """Write the folder index/, and the manifest `out` that names its files."""
    spec = parse_spec(IndexSpec, spec_text)
    execution = Execution("index", spec, inputs=corpus_files(spec.corpus), env=env)
    entries = build(spec, out.parent / FOLDER)
    write_json(
        out, {"schema": IndexManifest.SCHEMA, "schema_version": 1, "spec": spec.model_dump(mode="json"), **entries}
    )
    files = [out.parent / FOLDER / record["name"] for record in entries["files"]]
    execution.write(out.parent / "run.json", [out, *files])
