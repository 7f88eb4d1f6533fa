"""Bad config is one line that names the file and the key; good config means the same however it is written."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from smoothgates.errors import BadInput
from smoothgates.gates import GATES
from smoothgates.io.records import parse_spec
from smoothgates.methods.table import load_methods
from smoothgates.specs.train import TrainSpec
from smoothgates.study.extends import read_extended
from smoothgates.study.json_schema import schemas
from smoothgates.study.loader import CONFIG, load_study
from smoothgates.study.schema import Study

EVIDENCE, _ = read_extended(Path("config/evidence.yaml"))


def changed(path: str, value) -> dict:
    """The study `evidence` with one key changed; None deletes it."""
    study = json.loads(json.dumps(EVIDENCE))
    *parents, last = path.split(".")
    place = study
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return study


def write(folder: Path, study: dict) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


BAD_STUDIES = [
    ("regimes.near.lrr", 1.0, "regimes.near.lrr: unknown key"),
    ("regimes.near.optimizer.lr", "1e-6", "regimes.near.optimizer.lr: expected a number, got the text '1e-6'"),
    ("regimes.near.optimizer.lr", -1.0, "regimes.near.optimizer.lr: Input should be greater than 0"),
    ("seeds", [0, 1, 0], "seeds: seeds must differ, got [0, 1, 0]"),
    ("seeds", [], "seeds: "),
    ("seeds", [0.5], "seeds.0: "),
    ("reference", "gropo", "reference: 'gropo' is not among tasks.logic.runs.lag4"),
    ("tasks.math.runs.near", ["grpo", "nosuch"], "method 'nosuch' has no row in"),
    ("tasks.math.runs.far", ["grpo"], "tasks.math.runs: 'far' is not among"),
    (
        "tasks.math.evaluation.heldout.final.problems",
        0,
        "tasks.math.evaluation.heldout.final.problems: Input should be",
    ),
    (
        "tasks.math.evaluation.heldout.final.problems",
        9999,
        "evaluation.heldout.final.problems is 9999, but data.benchmarks.heldout has 512",
    ),
    ("tasks.math.evaluation.nosuch", {"final": {"problems": 1, "samples": 1}}, "'nosuch' is not among data.benchmarks"),
    ("tasks.math.protocol.reward", "nosuch", "tasks.math.protocol.reward: 'nosuch' is not among ['answer', 'boxed'"),
    ("tasks.math.protocol.prompt", "nosuch", "tasks.math.protocol.prompt: 'nosuch' is not among ['bare'"),
    (
        "tasks.math.protocol.tools",
        {"max_searches": 1, "max_reply_tokens": 9},
        "tasks.math.protocol.tools: the task has no tools",
    ),
    ("tasks.toolqa.protocol.tools", None, "tasks.toolqa.protocol.tools: the task needs tools"),
    (
        "tasks.toolqa.protocol.tools.retriever",
        "wiki",
        "tasks.toolqa.protocol.tools.retriever: 'world' is for generated",
    ),
    ("tasks.logic.data.train", [{"source": "nosuch", "rows": 1}], "tasks.logic.data: source 'nosuch' is not among"),
    ("tasks.logic.data.train", [{"source": "kk2"}], "source 'kk2' is generated: say how many `rows`"),
    ("tasks.logic.data.train", [{"source": "puzzles3", "rows": 9}], "tasks.logic: 'puzzles3' has no demonstrations"),
    ("tasks.logic.data.train", [{"source": "kk2", "rows": 9}] * 2, "demonstrations come from one source, 2 are named"),
    ("tasks.math.data.train", [{"source": "gsm8k_train"}], "tokenizer: 'words' knows generated texts only"),
    ("tasks.math.sampling.group", 1, "tasks.math.sampling.group: "),
    ("tasks.math.moe.runs.far", ["grpo"], "tasks.math.moe.runs: 'far' is not among"),
    ("tasks.math.moe.runs.near", ["grpo"], "regime 'near' is used for policies with experts and for policies without"),
    ("tasks.math.moe.runs.moe", ["gspo"], "reference: 'grpo' is not among tasks.math.moe.runs.moe"),
    ("tasks.math.moe.experts.chosen", 9, "chosen: expected at most 8, the number of experts, got 9"),
    ("tasks.math.runs.near", ["grpo", "grpo_r2"], "'grpo_r2' replays routing, which needs experts"),
    ("architecture.experts", {"count": 4, "chosen": 1, "intermediate_size": 8}, "tasks.math.moe: expected a study"),
    ("tasks.poetry", {}, "tasks.poetry"),
    ("model", {"hub": "a/b", "revision": "0" * 40}, "expected one of `architecture` and `model`"),
    ("tasks.math.model", {"hub": "a/b", "revision": "main"}, "tasks.math.model.revision: "),
    (
        "tasks.math.model",
        {"hub": "a/b", "revision": "0" * 40},
        "tasks.math: a published model is used as it is: set warm_start and sft to null",
    ),
    ("architecture.num_attention_heads", 3, "architecture: hidden_size must be"),
    ("checkpoint_every", None, "checkpoint_every: Field required"),
    ("method_table", "nowhere.yaml", "nowhere.yaml: no such file"),
    ("tasks", {}, "tasks: Dictionary should have at least 1 item"),
    ("regimes.near.start", 10, "regimes.near.start: 10 is not among seeds ["),
    ("regimes.near.noise", -0.1, "regimes.near.noise: Input should be greater than or equal to 0"),
    ("regimes.control", EVIDENCE["regimes"]["near"], "regimes: 'control' is reserved for runs without RL"),
    (
        "architecture.max_position_embeddings",
        32,
        "architecture.max_position_embeddings: 32 is too few: tasks.logic.protocol allows completions of 40 tokens",
    ),
    (
        "tasks.toolqa.protocol.tools.max_reply_tokens",
        80,
        "max_position_embeddings: 256 is too few: tasks.toolqa.protocol allows completions of 260 tokens",
    ),
    ("tasks.math.sampling.prompts", 40000, "tasks.math.sampling.prompts: 40000 is more than the 30000 rows of"),
    ("tasks.math.sft.batch_size", 40000, "tasks.math.sft.batch_size: 40000 is more than the 30000 rows of data.train"),
    ("tasks.math.moe.warm_start.batch_size", 40000, "tasks.math.moe.warm_start.batch_size: 40000 is more than"),
    ("regimes.near.minibatches", 129, "regimes.near.minibatches: 129 is more than the 128 completions of a rollout of"),
    ("regimes.near.optimizer.lr", float("inf"), "`.inf` is not a finite number"),
    ("regimes.near.optimizer.betas", [0.9, 1.0], "regimes.near.optimizer.betas.1: Input should be less than 1"),
    ("architecture.num_key_value_heads", 8, "architecture: hidden_size must be"),
    (
        "architecture.num_hidden_layers",
        -1,
        "architecture.num_hidden_layers: Input should be greater than or equal to 1",
    ),
    ("gates", {"tau": [], "clip": 0.2}, "gates.tau: "),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD_STUDIES)
def test_a_bad_study_is_named(path, value, message, tmp_path):
    file = write(tmp_path, changed(path, value))
    with pytest.raises(BadInput) as error:
        load_study(str(file))
    text = str(error.value)
    assert str(tmp_path) in text
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("stem", ["a;touch PWNED;b", "$(touch PWNED)", "a b", "a.b", "ü", "a'b", "a\nb", ""])
def test_a_study_is_called_what_a_folder_and_a_shell_can_bear(stem, tmp_path):
    with pytest.raises(BadInput) as error:
        load_study(f"{tmp_path}/{stem}.yaml")
    assert "expected a name of letters, digits, _ and -" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [None, 1, "", {"a": "b.yaml"}])
def test_a_name_that_yaml_takes_for_something_else_is_refused(name):
    """As Snakemake reads `--config study=1`."""
    with pytest.raises(BadInput, match="study: expected a name"):
        load_study(name)


def test_methods_are_the_checkouts_unless_a_study_names_its_own(tmp_path, monkeypatch):
    (tmp_path / "methods.yaml").write_text(f"{Path('config/methods.yaml').read_text()}\nown: {{gate: none}}\n")
    file = write(tmp_path, changed("tasks.math.runs.near", ["grpo", "own"]))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"'own' has no row in .*config/methods.yaml"):
        load_study(file.name)
    write(tmp_path, changed("tasks.math.runs.near", ["grpo", "own"]) | {"method_table": "methods.yaml"})
    monkeypatch.chdir(tmp_path.parent)
    assert "own" in load_study(str(file)).methods
    assert load_study("laptop").config == load_study(str(CONFIG / "laptop.yaml")).config, "from any folder"


BAD_METHODS = [
    ("a/b: {gate: none}", "'a/b': expected a name made of a to z"),
    ("'x;touch PWNED': {gate: none}", "'x;touch PWNED': expected a name made of a to z"),
    ("grpo: {gate: clipp, clip: 0.2}", "grpo: gate: unknown gate 'clipp'; known: arctan"),
    ("grpo: {gate: erf, tau: 0}", "grpo: tau.0: Input should be greater than 0"),
    ("grpo: {gate: erf, tau: [-1, 2]}", "grpo: tau.0: Input should be greater than 0"),
    ("grpo: {gate: erf, tau: .inf}", "line 1: `.inf` is not a finite number"),
    ("grpo: {gate: erf, tau: [1, 2, 3]}", "grpo: tau"),
    ("grpo: {gate: erf}", "gate 'erf' takes `tau` or `half_width`, got no scale"),
    ("grpo: {gate: erf, tau: 1, half_width: 0.2}", "gate 'erf' takes `tau` or `half_width`, got half_width, tau"),
    ("grpo: {gate: clip, tau: 1}", "gate 'clip' takes `clip`, got tau"),
    ("grpo: {gate: none, tau: 1}", "gate 'none' takes no scale, got tau"),
    (
        "grpo: {gate: clip, clip: 0.2, one_sided: true}",
        "grpo: one_sided: expected a smooth gate, which takes `tau`, got gate 'clip'",
    ),
    (
        "grpo: {gate: none, one_sided: true}",
        "grpo: one_sided: expected a smooth gate, which takes `tau`, got gate 'none'",
    ),
    ("grpo: {gate: none, weights: {kind: magic}}", "grpo: weights"),
    ("grpo: {gate: none, beta: 1}", "grpo: beta: unknown key"),
    ("grpo: {gate: none}\ngrpo: {gate: none}", "duplicate key 'grpo'"),
    ("grpo: [", "methods.yaml"),
    ("- grpo", "expected a mapping"),
]


@pytest.mark.parametrize(("text", "message"), BAD_METHODS)
def test_a_bad_method_is_named(text, message, tmp_path):
    file = tmp_path / "methods.yaml"
    file.write_text(text)
    with pytest.raises(BadInput) as error:
        load_methods(file)
    assert str(error.value).startswith(str(file))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_order_of_keys_means_nothing(tmp_path):
    def backwards(value):
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return value

    shuffled = load_study(str(write(tmp_path, backwards(EVIDENCE))))
    original = load_study("evidence")
    for regime in original.config.regimes:
        assert (
            shuffled.train_spec("math", regime, "erf", 1).canonical()
            == original.train_spec("math", regime, "erf", 1).canonical()
        )
    assert shuffled.analyse_spec().model_copy(update={"study": "evidence"}) == original.analyse_spec()


def test_a_spec_survives_the_command_line(tmp_path):
    spec = load_study("evidence").train_spec("math", "near", "grpo_sg", 2)
    assert parse_spec(TrainSpec, spec.canonical()) == spec
    (tmp_path / "spec.json").write_text(spec.canonical())
    assert parse_spec(TrainSpec, f"@{tmp_path}/spec.json") == spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{", "--spec: not JSON"),
        ("{}", "--spec: task: Field required"),
        ("@/nowhere.json", "/nowhere.json: no such file"),
    ],
)
def test_a_bad_spec_is_one_line_and_exit_code_2(spec, message, tmp_path):
    out = tmp_path / "manifest.json"
    command = [sys.executable, "-m", "smoothgates", "prepare", "--spec", spec, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_half_widths_and_temperatures_are_two_words_for_one_thing(tmp_path):
    file = tmp_path / "methods.yaml"
    file.write_text(
        "a: {gate: erf, half_width: [0.11774100225154747, 0.09811750187628956]}\nb: {gate: erf, tau: [10, 12]}"
    )
    methods = load_methods(file)
    assert methods["a"].scales() == pytest.approx(methods["b"].scales(), rel=1e-12)


def test_equal_width_rows_have_equal_width():
    methods = load_methods("config/methods.yaml")
    for name in ("sigmoid_wide", "erf_wide", "arctan_wide", "softsign_wide"):
        tau, _ = methods[name].scales()
        assert GATES[methods[name].gate].half_width(tau) == pytest.approx(0.2)


def test_schemas_are_exported():
    for name, schema in schemas().items():
        assert json.loads(Path("workflow/schemas", name).read_text()) == json.loads(json.dumps(schema)), "make schema"


STUDIES = [path.stem for path in sorted(Path("config").glob("*.yaml")) if "\nseeds:" in path.read_text()]
PAPERS = [name for name in STUDIES if load_study(name).config.model]


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("kind", ["rehearsal", "rehearsal_cpu"])
def test_a_rehearsal_keeps_what_it_rehearses(name, kind):
    """The same tasks, data, prompts, rewards and tools; so little of everything else that it takes a minute."""
    whole, small = load_study(name).config, load_study(f"{name}_{kind}").config
    assert small.tasks.keys() == whole.tasks.keys()
    for task, chosen in small.tasks.items():
        asked, before = chosen.protocol, whole.tasks[task].protocol
        assert (asked.prompt, asked.reward, bool(asked.tools)) == (before.prompt, before.reward, bool(before.tools))
        sources = [part.source for part in (*chosen.data.train, *chosen.data.benchmarks.values())]
        data = whole.tasks[task].data
        assert sources == [part.source for part in (*data.train, *data.benchmarks.values())]
        ((first, methods),) = chosen.runs.items()
        assert whole.reference in methods
        assert len(methods) <= 2
        assert chosen.sampling.prompts * chosen.sampling.group <= 32
        assert asked.max_new_tokens <= 24
        regime, full = small.regimes[first], whole.regimes[first]
        assert (regime.minibatches, regime.epochs, regime.lag) == (full.minibatches, full.epochs, full.lag)
        assert regime.rollouts <= 2
        model = small.model_of(task)
        assert (model is None) == (whole.model_of(task) is None)
        assert model is None or model.stand_in
    assert Study.model_validate_json(small.canonical()) == small, "a rehearsal is a study too"


@pytest.mark.parametrize("name", PAPERS)
def test_twins_differ_in_what_they_run_on(name):
    whole, small, plain = (load_study(f"{name}{twin}").config for twin in ("", "_rehearsal", "_rehearsal_cpu"))
    assert (small.engine.kind, small.sampler.kind, small.device) == (whole.engine.kind, whole.sampler.kind, "cuda")
    assert (plain.engine.kind, plain.sampler.kind, plain.device) == ("torch", "torch", "cpu")
    assert load_study(f"{name}_rehearsal").name == f"{name}_rehearsal"


def test_a_mixture_of_experts_is_rehearsed_with_one():
    assert load_study("sapo_rehearsal").config.model.stand_in.experts
    assert not load_study("smooth_gates_rehearsal").config.model.stand_in.experts


def test_a_file_of_that_name_is_no_twin(tmp_path):
    (tmp_path / "mine_rehearsal.yaml").write_text(write(tmp_path, EVIDENCE).read_text())
    assert load_study(str(tmp_path / "mine_rehearsal.yaml")).config == load_study("evidence").config
    (tmp_path / "mine_rehearsal.yaml").unlink()
    assert load_study(str(tmp_path / "mine_rehearsal.yaml")).config.checkpoint_every == 1
    with pytest.raises(BadInput, match=r"nowhere\.yaml: no such file"):
        load_study(str(tmp_path / "nowhere_rehearsal.yaml"))


@pytest.mark.parametrize("name", PAPERS)
def test_values_of_a_paper_study_say_where_they_come_from(name):
    """What the papers are silent on is marked."""
    text = Path(f"config/{name}.yaml").read_text()
    assert re.search(r"\bours\b|See grpo_sg.yaml", text)
    assert re.search(r"\d{4}\.\d{5}|No paper has it", text)


def test_smooth_gates_is_table_2_of_its_paper():
    """2602.19345, Appendix A: 5,000 steps of 1 × 16 × 8 completions, two on each batch, 8 a prompt; AdamW."""
    study = load_study("smooth_gates")
    task, regime = study.config.tasks["math"], study.config.regimes["paper"]
    assert regime.rollouts * regime.minibatches * regime.epochs == 5000
    assert task.sampling.prompts * task.sampling.group == 1 * 16 * 8
    assert (task.sampling.group, task.protocol.max_prompt_tokens, task.protocol.max_new_tokens) == (8, 1536, 512)
    adam = regime.optimizer
    assert (adam.lr, adam.betas, adam.warmup, adam.decay) == (1e-6, (0.9, 0.999), 0, "linear")
    taus = {name: study.methods[name].tau for name in task.runs["paper"]}
    assert taus.pop("grpo") is None
    assert {taus[gate] for gate in ("sigmoid", "erf", "arctan", "softsign")} == {(10, 12)}
    assert {taus["erf_1"], taus["erf_13"]} == {(1, 1.05), (13, 15)}
    assert study.config.engine.dtype == "bfloat16"
    assert {evaluation.temperature for evaluation in task.evaluation.values()} == {0.7}


def test_a_study_extends_another(tmp_path):
    write(tmp_path, EVIDENCE)
    (tmp_path / "more.yaml").write_text(
        "extends: mine.yaml\nseeds: [4]\n"
        "tasks: {math: {runs: {near: [grpo, erf]}}}\nregimes: {same_start: {start: null}}"
    )
    mine, more = (load_study(str(tmp_path / name)) for name in ("mine.yaml", "more.yaml"))
    assert more.files == (tmp_path / "more.yaml", tmp_path / "mine.yaml")
    assert (more.name, more.config.seeds) == ("more", (4,))
    assert more.config.tasks["math"].runs == {**mine.config.tasks["math"].runs, "near": ("grpo", "erf")}
    assert more.config.tasks["logic"] == mine.config.tasks["logic"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: 3", "extends: expected the path of a study's YAML file, got 3"),
        ("extends: other", "extends: expected the path of a study's YAML file, got 'other'"),
        ("extends: nowhere.yaml", r"nowhere\.yaml: no such file"),
        ("extends: more.yaml", r"extends: expected a study that extends no other, and .*more\.yaml does"),
        ("extends: mine.yaml\nseeds: [0, 0]", r"more\.yaml: seeds: seeds must differ"),
    ],
)
def test_a_study_that_extends_nothing_usable_is_named(text, message, tmp_path):
    write(tmp_path, EVIDENCE)
    (tmp_path / "more.yaml").write_text(text)
    with pytest.raises(BadInput, match=message) as caught:
        load_study(str(tmp_path / "more.yaml"))
    assert "\n" not in str(caught.value)
