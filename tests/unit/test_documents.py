"""Files from outside: plain data within bounds, or one line that says what is wrong, in little time and memory."""

import ast
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from smoothgates.data.mirror import read_rows
from smoothgates.errors import BadInput
from smoothgates.io import documents
from smoothgates.io.documents import DEEPEST, MOST_YAML, parse_json, read_yaml
from smoothgates.io.records import parse, parse_spec
from smoothgates.ops.plan.machine import load_machines
from smoothgates.retrieval.passages import read_passages
from smoothgates.specs.prepare import PrepareSpec
from smoothgates.stages import score
from smoothgates.study import load_methods, load_study
from smoothgates.study.schema import Study

LAPTOP = Path("config/laptop.yaml").read_text(encoding="utf-8")
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 9))

BAD_YAML = [
    (BOMB, "line 1: more than 100000 values, counting what aliases repeat"),
    (MERGED, "line 1: more than 100000 values, counting what aliases repeat"),
    ("a: &a [*a]", "line 1: an alias contains itself"),
    ("a: &a {b: *a}", "line 1: an alias contains itself"),
    ("a: &a {<<: *a}", "line 1: an alias contains itself"),
    ("a: *b", "line 1: found undefined alias 'b'"),
    ("a: " + "[" * 10_000, f"line 1: nested more than {DEEPEST} levels deep"),
    ("a: " + "{b: " * 10_000, f"line 1: nested more than {DEEPEST} levels deep"),
    ("- " * 10_000, f"line 1: nested more than {DEEPEST} levels deep"),
    ("a: 1\n\n'a': 2", "line 3: duplicate key 'a'"),
    ("a: [{b: {c: 1,\n c: 2}}]", "line 2: duplicate key 'c'"),
    ("a: {<<: {b: 1, b: 2}}", "line 1: duplicate key 'b'"),
    ("1: a\n'1': b", "line 1: key `1` is read as a number by YAML: put it in quotes"),
    ("a:\n  no: {gate: none}", "line 2: key `no` is read as true or false by YAML: put it in quotes"),
    ("2026-01-01: a", "line 1: `2026-01-01` is read as a date"),
    ("~: a", "line 1: key `~` is read as null"),
    ("[a, b]: c", "line 1: expected a string as the key, not a list or mapping"),
    ("? {a: 1}\n: c", "line 1: expected a string as the key, not a list or mapping"),
    ("<<: 1", "line 1: `<<` expects a mapping"),
    ("a: 2026-01-01", "line 1: `2026-01-01` is read as a date"),
    ("a: 12:30", "line 1: `12:30` is read as a number"),
    ("a: .inf", "line 1: `.inf` is not a finite number"),
    ("a: [1.0, -.INF]", "line 1: `-.INF` is not a finite number"),
    ("a: .NaN", "line 1: `.NaN` is not a finite number"),
    ("a: 1.0e+999", "line 1: `1.0e+999` is not a finite number"),
    ("a: 64000000000000000000", "line 1: an integer has more than 64 bits"),
    (f"a: 0x{'f' * 5000}", "line 1: an integer has more than 64 bits"),
    (f"a: {'9' * 5000}", "is not a number"),
    ('a: "\\0"', "line 1: a string contains a NUL or a lone surrogate"),
    ('a: "\\ud800"', "line 1: a string contains a NUL or a lone surrogate"),
    ('a: "\\U0011ffff"', "arg not in range"),
    ("a: \0", "special characters are not allowed"),
    ("a:\n\tb: 1", "line 2: found character '\\t' that cannot start any token"),
    ("a: 1\n---\na: 2", "line 2: but found another document"),
    ("a: !!python/name:os.system x", "has the unknown tag 'tag:yaml.org,2002:python/name:os.system'"),
    ("a: !!set {b, c}", "unknown tag 'tag:yaml.org,2002:set'"),
    ("a: !!binary aGk=", "has the unknown tag 'tag:yaml.org,2002:binary'"),
    ("a: !!int b", "`b` is not a number"),
    ("a: !!bool b", "`b` is not true or false"),
    ("a: !!float ''", "`` is not a number"),
    ("a: =", "`=` is read as a default value"),
    ("- a", "expected a mapping of keys to values"),
    ("", "expected a mapping of keys to values"),
    (f"a: {'x' * MOST_YAML}", "is larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "message"), BAD_YAML, ids=[text[:20] for text, _ in BAD_YAML])
def test_bad_yaml_is_one_line_with_its_place(text, message, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as error:
        read_yaml(file)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: \x9c", "a: é".encode("latin-1")])
def test_what_is_no_utf8_is_one_line(content, tmp_path):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(BadInput, match=r"x\.yaml: cannot be read \('utf-8' codec can't decode"):
        read_yaml(tmp_path / "x.yaml")


@pytest.mark.parametrize("name", [".", "nowhere.yaml", "x.yaml/y.yaml", "a\0b.yaml", "\udcff.yaml", "n" * 300])
def test_what_is_no_file_is_one_line(name, tmp_path):
    (tmp_path / "x.yaml").write_text("{}")
    for read in (read_yaml, load_methods, load_machines, lambda path: load_study(f"{path}.yaml")):
        with pytest.raises(BadInput) as error:
            read(tmp_path / name)
        assert str(error.value).isprintable()


def test_aliases_and_merges_within_bounds_are_plain_data(tmp_path):
    """As the safe loader has it: own keys win, then those of the first mapping that is merged."""
    text = "a: &a {x: 1, y: [2, ~, true, 1.5, 'no']}\nb: {<<: *a, x: 3}\nc: {<<: [{x: 0, z: 1}, *a]}\nd: [*a, *a]\n"
    (tmp_path / "x.yaml").write_text(text)
    assert read_yaml(tmp_path / "x.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize("file", sorted(Path("config").glob("*.yaml")), ids=lambda file: file.stem)
def test_our_own_files_mean_what_yaml_says(file):
    assert read_yaml(file) == yaml.safe_load(file.read_text(encoding="utf-8"))


def test_a_small_file_takes_little_memory(tmp_path):
    """430 bytes of aliases once took 1.7 GB."""
    (tmp_path / "bomb.yaml").write_text(BOMB)
    script = (
        "import resource, sys; from pathlib import Path; from smoothgates.io.documents import read_yaml\n"
        "most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (200 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "try: read_yaml(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "bomb.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "BadInput\n"


BAD_JSON = [
    ("[" * 100_000, "not JSON (nested too deeply)"),
    ('{"a":' * 100_000, "not JSON (nested too deeply)"),
    ('{"a": 1, "b": {"c": 1, "c": 2}}', "not JSON (duplicate key 'c')"),
    ("[NaN]", "not JSON (NaN is not a finite number)"),
    ("[-Infinity]", "not JSON (-Infinity is not a finite number)"),
    ("[1e999]", "not JSON (1e999 is not a finite number)"),
    (f"[{'9' * 5000}]", "not JSON (Exceeds the limit"),
    ('["\\ud800"]', "contains a lone surrogate"),
    ('["\udcff"]', "not UTF-8"),
    ('{"task": "a\\u0000b"}', "a string contains a NUL"),
    ("{", "not JSON (Expecting property name"),
    ("", "not JSON (Expecting value"),
    ("[]", ": Input should be an object"),
    ("[" * 900 + "]" * 900, ": Invalid JSON: recursion limit"),
]


@pytest.mark.parametrize(("text", "message"), BAD_JSON, ids=[text[:20] for text, _ in BAD_JSON])
def test_a_bad_spec_is_one_line(text, message, tmp_path):
    (tmp_path / "spec.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    for spec in (text, f"@{tmp_path}/spec.json"):
        with pytest.raises(BadInput) as error:
            parse_spec(PrepareSpec, spec)
        assert str(error.value).isprintable()
        assert message in str(error.value) or "codec can't decode" in str(error.value)


def test_escapes_of_whole_characters_are_text():
    assert parse_json('["\\ud83d\\ude00", "\\\\ud800", "\\\\u0000"]', "x") == ["😀", "\\ud800", "\\u0000"]


@pytest.mark.parametrize(
    ("key", "limit"),
    [
        ("architecture.vocab_size", 1_000_000),
        ("architecture.num_hidden_layers", 1000),
        ("architecture.max_position_embeddings", 10_000_000),
        ("regimes.near.rollouts", 10_000_000),
        ("regimes.near.epochs", 10_000_000),
        ("regimes.near.lag", 10_000_000),
        ("regimes.near.optimizer.warmup", 10_000_000),
        ("tasks.math.data.train.0.rows", 10_000_000),
        ("tasks.math.protocol.max_new_tokens", 10_000_000),
        ("tasks.math.sampling.group", 100_000),
        ("tasks.math.evaluation.heldout.final.samples", 100_000),
        ("checkpoint_every", 10_000_000),
        ("engine.tokens", 10_000_000),
    ],
)
def test_sizes_have_an_end_and_the_line_says_which(key, limit):
    study = yaml.safe_load(LAPTOP)
    study["engine"] = {}
    *parents, last = key.split(".")
    place = study
    for parent in parents:
        place = place[int(parent) if parent.isdigit() else parent]
    place[last] = 64 * 10**9
    with pytest.raises(BadInput, match=rf"x: {key}: Input should be less than or equal to {limit}\b"):
        parse(Study, study, "x")


def test_no_number_of_a_record_is_infinite():
    study = yaml.safe_load(LAPTOP)
    for value in (float("inf"), float("nan")):
        study["regimes"]["near"]["optimizer"]["lr"] = value
        with pytest.raises(
            BadInput, match=r"x: regimes\.near\.optimizer\.lr: Input should be a finite number|Invalid JSON"
        ):
            parse(Study, study, "x")


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
_DATA = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_SCALARS, inner, max_size=4),
    max_leaves=20,
)
_JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
_SNIPPETS = [
    "*a",
    "&a ",
    "<<: ",
    "[",
    "{",
    "? ",
    "!!int ",
    "- ",
    ".inf",
    "~",
    "'",
    '"\\ud800"',
    "\t",
    "---\n",
    ": ",
    "\0",
]


def refused_or_read(content: bytes, folder: Path) -> None:
    """Whatever the content, a study or BadInput on one printable line."""
    file = folder / "x.yaml"
    file.write_bytes(content)
    said = ""
    try:
        parse(Study, read_yaml(file), str(file))
    except BadInput as error:
        said = str(error)
    assert not said or (said.isprintable() and said.startswith(str(file)))


class TestFuzz:
    """Nothing but BadInput comes out of any bytes."""

    @given(st.binary(max_size=300))
    @settings(max_examples=150, deadline=None)
    def test_bytes(self, tmp_path_factory, content):
        refused_or_read(content, tmp_path_factory.getbasetemp())

    @given(st.text(alphabet="ab:-[]{}&*<!?|>'\"#%@`, \n\t0.e~", max_size=200))
    @settings(max_examples=300, deadline=None)
    def test_punctuation(self, tmp_path_factory, text):
        refused_or_read(text.encode(), tmp_path_factory.getbasetemp())

    @given(_DATA)
    @settings(max_examples=150, deadline=None)
    def test_structures(self, tmp_path_factory, data):
        text = yaml.safe_dump(data, allow_unicode=True)
        refused_or_read(text.encode("utf-8", "surrogatepass"), tmp_path_factory.getbasetemp())

    @given(st.lists(st.tuples(st.integers(0, 4000), st.sampled_from(_SNIPPETS)), min_size=1, max_size=3))
    @settings(max_examples=40, deadline=None)
    def test_damaged_studies(self, tmp_path_factory, damages):
        text = LAPTOP
        for place, snippet in damages:
            text = text[:place] + snippet + text[place:]
        refused_or_read(text.encode(), tmp_path_factory.getbasetemp())

    @given(st.text(max_size=50) | _JSONS.map(json.dumps))
    @settings(max_examples=200, deadline=None)
    def test_specs(self, text):
        with pytest.raises(BadInput) as error:
            parse_spec(PrepareSpec, text.removeprefix("@"))
        assert str(error.value).isprintable()


def test_every_text_says_how_it_is_encoded():
    """A locale must decide nothing: text files and pipes name UTF-8."""
    silent = []
    for file in sorted(Path("src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                keywords = {keyword.arg for keyword in node.keywords}
                true = {keyword.arg for keyword in node.keywords if getattr(keyword.value, "value", None) is True}
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                binary = any(isinstance(each, str) and "b" in each and len(each) <= 3 for each in texts)
                reads = name in ("read_text", "write_text") and not (name == "read_text" and node.args)
                opens = name == "open" and isinstance(node.func, ast.Name) and not binary
                if (reads or opens or true & {"text", "universal_newlines"}) and "encoding" not in keywords:
                    silent.append(f"{file}:{node.lineno}")
    assert silent == []


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_line_without_end_is_one_line_whoever_reads_it(name, tmp_path, monkeypatch):
    """What a small file unpacks to is not held in memory to find out that it is too much."""
    monkeypatch.setattr(documents, "MOST_JSON", 1000)
    path = tmp_path / name
    with (gzip.open if path.suffix == ".gz" else open)(path, "wb") as file:
        file.write(b'{"id": "0", "contents": "x"}\n{"id": "1", "contents": "' + bytes(5000))
    readers = [lambda: list(read_passages([path]))]
    if path.suffix != ".gz":
        readers += [lambda: list(read_rows(path)), lambda: score.run("math", "answer", path, tmp_path / "out.jsonl")]
        path.write_bytes(b'{"id": "' + bytes(5000))
    for read in readers:
        with pytest.raises(BadInput, match=rf"{name}:\d: a line of more than"):
            read()
