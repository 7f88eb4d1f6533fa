"""Which code a stage's result depends on, and when its digest changes."""

import ast
import importlib.metadata
import os
import tomllib
from pathlib import Path

import pytest
from reformatting import reformatted

from smoothgates.gates import GATES
from smoothgates.provenance import code_closure, stat_cache
from smoothgates.provenance.code_closure import NOT_COUNTED, SOURCE, code_of, imported_by, skeleton
from smoothgates.provenance.stat_cache import StatCache
from smoothgates.tasks import NAMES, judging_parts

FILES = sorted((SOURCE / "smoothgates").rglob("*.py"))
CONTROL = ("tasks.math",)
JUDGED = ("tasks.math", "tasks.math.rewards")


def names(stage, *parts):
    return {Path(path).resolve().relative_to(SOURCE / "smoothgates").as_posix() for path in code_of(stage, parts)}


def under(code, *folders):
    return {path for path in code if path.startswith(folders)}


def test_a_train_job_depends_on_its_own_gate_and_task_alone():
    code = names("train", "gates.erf", *JUDGED)
    assert {"gates/erf.py", "objective/loss.py", "train/loop.py", "policy/decoder.py", "tasks/math/rewards.py"} <= code
    assert not code & {f"gates/{gate}.py" for gate in GATES if gate != "erf"}
    assert under(code, "tasks/math/verifier/")
    assert not under(code, "tasks/logic/", "tasks/toolqa/")


def test_training_does_not_depend_on_where_examples_come_from():
    """It reads what `prepare` leaves. A task that searches depends on the indexes, and no other task does."""
    code = names("train", "gates.erf", "tasks.toolqa", "tasks.toolqa.rewards")
    assert under(code, "data/", "stages/") == {"data/__init__.py", "data/examples.py", "stages/__init__.py"} | {
        "stages/train.py"
    }
    assert "retrieval/bm25.py" in code
    assert not under(names("train", "gates.erf", *JUDGED), "retrieval/")


def test_a_gate_brings_the_gates_that_it_is_made_of():
    assert {"gates/clip.py", "gates/dual_clip.py"} <= names("train", "gates.dual_clip")


def test_data_and_warm_starts_depend_on_no_gate_and_no_verifier():
    for stage in ("prepare", "policy"):
        code = names(stage, *CONTROL)
        assert "tasks/math/word_problems.py" in code
        assert not under(code, "gates/", "methods/", "objective/", "rollout/", "tasks/math/verifier/")
        assert "tasks/math/rewards.py" not in code


def test_stages_do_not_depend_on_what_they_do_not_use():
    assert not under(names("train", "gates.clip", *JUDGED), "report/", "analysis/", "evaluate/", "study/", "jobs/")
    assert not under(names("report"), "objective/", "train/", "policy/", "rollout/", "tasks/")
    assert not under(names("analyse"), "gates/", "methods/", "report/", "tasks/", "policy/")
    assert not under(names("evaluate", *JUDGED), "gates/", "methods/", "objective/", "train/")
    assert not under(names("check_gate", "gates.erf"), "tasks/", "train/", "policy/")
    assert "report/page.html.j2" in names("report"), "a template beside the code"


@pytest.mark.parametrize(
    ("spec", "users"),
    [
        ("prepare", {"prepare"}),
        ("policy", {"policy"}),
        ("supervised", {"policy"}),
        ("train", {"train"}),
        ("evaluate", {"evaluate"}),
        ("rollout", {"train", "evaluate"}),
        ("check_gate", {"check_gate"}),
        ("gates", {"gates"}),
        ("analyse", {"analyse", "report"}),  # the report parses the analysis's spec
        ("report", {"report"}),
    ],
)
def test_the_spec_of_a_stage_is_code_of_that_stage_alone(spec, users):
    stages = {path.stem for path in (SOURCE / "smoothgates/stages").glob("[a-z]*.py")}
    assert {stage for stage in stages if f"specs/{spec}.py" in names(stage, *JUDGED)} == users


STAGES = [path.stem for path in (SOURCE / "smoothgates/stages").glob("[a-z]*.py")]
EVERYTHING = (*(f"gates.{gate}" for gate in GATES), *(part for task in NAMES for part in judging_parts(task)))


def test_files_beside_the_code_are_digested():
    """A stage may read them: each one belongs to the code of some stage."""
    found = (SOURCE / "smoothgates").rglob("*")
    beside = {path for path in found if path.is_file() and path.suffix not in (".py", ".pyc")}
    counted = {Path(path).resolve() for stage in STAGES for path in code_of(stage, EVERYTHING)}
    assert beside <= counted


def test_the_command_line_sets_nothing_that_a_result_depends_on():
    """It is not part of any stage's code. A stage sets torch's threads itself."""
    tree = ast.parse((SOURCE / "smoothgates/cli.py").read_bytes())
    assert not {name for name in code_closure._imports(tree, "smoothgates") if name.partition(".")[0] == "torch"}


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("import smoothgates.a.b", "smoothgates.a.b"),
        ("import smoothgates.a.b as c", "smoothgates.a.b"),
        ("from smoothgates.a import b", "smoothgates.a.b"),
        ("from smoothgates.a import *", "smoothgates.a"),
        ("from . import b", "smoothgates.a.b"),
        ("from .b import c", "smoothgates.a.b"),
        ("from ..d.e import f", "smoothgates.d.e"),
        ("def g():\n    from .b import c", "smoothgates.a.b"),
        ("if TYPE_CHECKING:\n    from smoothgates.a import b", "smoothgates.a.b"),
        ("try:\n    from .b import c\nexcept ImportError:\n    c = None", "smoothgates.a.b"),
    ],
)
def test_every_form_of_import_is_followed(code, module):
    assert module in code_closure._imports(ast.parse(code), "smoothgates.a")


def test_modules_that_are_not_counted_are_ones_that_stages_import():
    """A renamed module would be counted again unnoticed."""
    stages = [path.stem for path in (SOURCE / "smoothgates/stages").glob("[a-z]*.py")]
    imported = {path for stage in stages for path in imported_by(stage, ("gates.erf", *JUDGED))}
    counted = {path for stage in stages for path in code_of(stage, ("gates.erf", *JUDGED))}
    paths = {(SOURCE / "smoothgates" / module.replace(".", "/")).with_suffix(".py") for module in NOT_COUNTED}
    assert paths <= {Path(path).resolve() for path in imported - counted}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCE).as_posix())
def test_a_file_that_is_reformatted_and_documented_anew_is_the_same_code(file):
    code = file.read_text(encoding="utf-8")
    assert reformatted(code) != code
    assert skeleton(reformatted(code)) == skeleton(code)


@pytest.mark.parametrize(
    ("code", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = True"),
        ("x = 1", "x = '1'"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ..."),
        ("x = (1,)", "x = 1"),
        ("x = ()", "x = []"),
        ("x = a - b", "x = b - a"),
        ("x = (a + b) + c", "x = a + (b + c)"),
        ("f(a)", "f(a=a)"),
        ("f(*a)", "f(**a)"),
        ("def f(a, b): pass", "def f(a, *, b): pass"),
        ("def f(a): pass", "def f(a=None): pass"),
        ("def f(): return None", "def f(): return"),
        ("@a\ndef f(): pass", "def f(): pass"),
        ("class A:\n    x: int", "class A:\n    x: int = 0"),
        ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
        ("for x in a:\n    b()\nelse:\n    c()", "for x in a:\n    b()\nc()"),
        ("f('not a docstring')", "f('another')"),
        ("x = [None, a]", "x = [a]"),
        ("x = {**a}", "x = {None: a}"),
        ("x = {None: a}", "x = {a: None}"),
        ("import a", "import b"),
        ("from a import b", "from .a import b"),
        ("x = f'{a!r}'", "x = f'{a}'"),
        ("x = f'{a:>2}'", "x = f'{a:<2}'"),
        ("a = b; c = d", "c = d; a = b"),
    ],
)
def test_code_that_may_run_otherwise_is_other_code(code, other):
    assert skeleton(code) != skeleton(other)


def test_every_supported_python_reads_the_same_code():
    """Their syntax trees differ: type parameters, the end of nested formats, empty fields that are absent."""
    assert skeleton("@d\ndef f(a, *b) -> g[()]: 'Text.'; return a") == (
        "Module(body=[FunctionDef(name='f',args=arguments(args=[arg(arg='a')],vararg=arg(arg='b')),body=[Return("
        "value=Name(id='a'))],decorator_list=[Name(id='d')],returns=Subscript(value=Name(id='g'),slice=Tuple()))])"
    )
    assert skeleton("class A(B): x: int = -0.5") == (
        "Module(body=[ClassDef(name='A',bases=[Name(id='B')],body=[AnnAssign(target=Name(id='x'),annotation="
        "Name(id='int'),value=UnaryOp(op=USub(),operand=0.5),simple=1)])])"
    )
    assert skeleton("f'a' f'{x!r:>{y}}' 'é\U0001fae9'") == (
        "Module(body=[Expr(value=JoinedStr('a',FormattedValue(value=Name(id='x'),conversion=114,format_spec="
        "JoinedStr('>',FormattedValue(value=Name(id='y'),conversion=-1))),'\\xe9\\U0001fae9'))])"
    )


def start_anew(monkeypatch, cache):
    """What was parsed is forgotten, as in a new process."""
    code_closure._module.cache_clear()
    code_closure.code_digest.cache_clear()
    monkeypatch.setattr(code_closure, "PARSED", StatCache(cache, Path(code_closure.__file__)))


def test_the_next_process_parses_only_what_has_changed(tmp_path, monkeypatch):
    parts, cache = ("gates.erf", *JUDGED), tmp_path / "cache.json"
    monkeypatch.setattr(stat_cache, "SETTLED", -(10**18))
    start_anew(monkeypatch, tmp_path / "nowhere/cache.json")
    expected = code_closure.code_digest("train", parts)
    start_anew(monkeypatch, cache)
    assert code_closure.code_digest("train", parts) == expected
    parsed, parse = [], code_closure._parse
    monkeypatch.setattr(code_closure, "_parse", lambda file: parsed.append(file) or parse(file))
    start_anew(monkeypatch, cache)
    assert code_closure.code_digest("train", parts) == expected
    assert parsed == []


def test_a_changed_file_is_made_anew(tmp_path, monkeypatch):
    file, maker, path = (tmp_path / name for name in ("file", "maker", "cache.json"))
    maker.touch()

    def get(text=None):
        """What a new process finds in the file."""
        if text:
            file.write_text(text)
        cache = StatCache(path, maker)
        found = cache.get(file, lambda file: [file.read_text()])
        cache.save()
        return found

    assert get("a") == ["a"]
    assert not path.exists(), "another change might follow at the same time"
    monkeypatch.setattr(stat_cache, "SETTLED", -(10**18))
    assert get("b") == ["b"]
    kept = path.read_bytes()
    before = file.stat()
    file.write_text("c")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert get() == ["c"], "of the same size and the same time of change"
    monkeypatch.setattr(StatCache, "save", lambda cache: None)
    file.with_name("other").write_text("d")
    file.with_name("other").replace(file)
    assert get() == ["d"]
    for damaged in (kept[:-9], b"[]", b"{}"):
        path.write_bytes(damaged)
        assert get() == ["d"]


def test_each_file_is_parsed_once(monkeypatch):
    """A dry run asks for the digests of thousands of jobs."""
    start_anew(monkeypatch, Path("nowhere/cache.json"))
    parsed, parse = [], ast.parse
    monkeypatch.setattr(code_closure.ast, "parse", lambda code: parsed.append(code) or parse(code))
    parts = [("gates.erf", *JUDGED), ("gates.clip", *JUDGED), JUDGED]
    for each in parts:
        code_closure.code_digest("train", each)
    files = {file for each in parts for file in code_of("train", each)}
    assert len(parsed) == len(files)


def test_a_new_version_is_no_other_code():
    """The package holds no version: pyproject.toml alone does, and what is installed says the same."""
    assert skeleton((SOURCE / "smoothgates/__init__.py").read_bytes()) == skeleton("")
    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.metadata.version("smoothgates") == project["version"]


def test_no_result_can_depend_on_a_docstring():
    """Docstrings are no part of the digest, so no code may read one."""
    readers = {"__doc__", "getdoc", "getcomments", "getsource"}
    for file in sorted((SOURCE / "smoothgates").rglob("*.py")):
        tree = ast.parse(file.read_bytes())
        names = {getattr(node, "attr", getattr(node, "id", None)) for node in ast.walk(tree)}
        assert not names & readers, file
