"""What `plan` says of the papers' studies: shapes of published policies, and what fits where, without a network."""

import json
from pathlib import Path

import pytest

from smoothgates.errors import BadInput
from smoothgates.jobs.dag import jobs_of
from smoothgates.ops.plan.plan import plan
from smoothgates.ops.plan.show import text
from smoothgates.policy.shape import KNOWN, shape_in
from smoothgates.study.loader import load_study

ROOT = Path(__file__).parents[2]
QWEN_7B = KNOWN["Qwen/Qwen2.5-7B-Instruct"]
QWEN_30B = KNOWN["Qwen/Qwen3-30B-A3B-Base"]
STUDIES = [path for path in sorted((ROOT / "config").glob("*.yaml")) if "\nseeds:" in path.read_text()]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with machines, and no results."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/machines.yaml").write_text((ROOT / "config/machines.yaml").read_text())
    monkeypatch.chdir(tmp_path)


def rows_of(found) -> dict:
    return {row.rule: row for row in found.rows}


def test_parameters_are_those_of_published_models():
    """As their safetensors files count them."""
    assert {name.removeprefix("Qwen/"): shape.parameters for name, shape in KNOWN.items()} == {
        "Qwen2.5-0.5B-Instruct": 494_032_768,
        "Qwen2.5-1.5B-Instruct": 1_543_714_304,
        "Qwen2.5-3B": 3_085_938_688,
        "Qwen2.5-3B-Instruct": 3_085_938_688,
        "Qwen2.5-7B-Instruct": 7_615_616_512,
        "Qwen2.5-7B-Instruct-1M": 7_615_616_512,
        "Qwen3-4B-Instruct-2507": 4_022_468_096,
        "Qwen3-30B-A3B-Base": 30_532_122_624,
    }


@pytest.mark.usefixtures("with_torch")
@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "qwen3_moe"])
def test_a_policy_that_is_here_has_the_shape_of_its_config(kind):
    """Whatever is not in the table: as many parameters as transformers makes of the same config."""
    import transformers

    sizes = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": kind == "qwen3"}
    if kind != "qwen2":
        sizes |= {"head_dim": 16}
    if kind == "qwen3_moe":
        sizes |= {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "decoder_sparse_step": 1}
    config = transformers.AutoConfig.for_model(kind, **sizes)
    policy = transformers.AutoModelForCausalLM.from_config(config)
    shape = shape_in({**sizes, "model_type": kind})
    assert shape.parameters == sum(parameter.numel() for parameter in policy.parameters())


def test_a_token_goes_through_the_chosen_experts_alone():
    """Of the 30 billion some 3.3 are active, as its name says: of these, the embedding only looked up."""
    active = QWEN_30B.used + QWEN_30B.vocabulary * QWEN_30B.hidden
    assert active == pytest.approx(3.35e9, rel=0.01)
    assert QWEN_30B.touched(1) == pytest.approx(QWEN_30B.used)
    everything = QWEN_30B.parameters - QWEN_30B.vocabulary * QWEN_30B.hidden
    assert 0.98 * everything < QWEN_30B.touched(64) < QWEN_30B.touched(1000) <= everything
    assert QWEN_7B.touched(1) == QWEN_7B.touched(1000) == QWEN_7B.used


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_can_be_planned_without_results(path, place):
    loaded = load_study(str(path))
    found = plan(loaded)
    jobs = len(jobs_of(loaded, planned=True))
    assert sum(row.jobs for row in found.rows) == sum(row.to_do for row in found.rows) == jobs
    assert {row.source for row in found.rows} == {"model"}


PAPER_STUDIES = [
    ("smooth_gates", "a100"),
    ("smooth_gates", "h100"),
    ("sapo", "h200"),
    ("gspo", "h200"),
    ("grpo_sg", "h100"),
    ("grpo_sg_4b", "h100"),
    ("one_gpu", "rtx4090"),
]


@pytest.mark.parametrize(("name", "machine"), PAPER_STUDIES)
def test_paper_studies_fit_the_machines_that_they_name(name, machine, place):
    found = plan(load_study(name, ROOT / "config"), machine)
    assert "Too large" not in text(found)
    assert rows_of(found)["train"].gpus == (1 if name == "one_gpu" else 8)


def test_memory_of_the_paper_studies(place):
    """By hand, in GB a GPU. smooth_gates, ZeRO-2: weights 15.2, gradients 4 × 7.6 / 8 = 3.8, optimiser 12 × 7.6 / 8 =
    11.4, libraries 3, vLLM 0.4 × 80 = 32: together 65. sapo, ZeRO-3 with offload: (2 + 4) × 30.5 / 8 = 22.9, gathered
    1.9, libraries 3, vLLM 0.55 × 141 = 77.6: together 105; so 80 GB are too few.
    """
    for name, machine, expected in (("smooth_gates", "a100", 65e9), ("sapo", "h200", 105e9)):
        found = rows_of(plan(load_study(name, ROOT / "config"), machine))
        assert found["train"].peak_bytes == pytest.approx(expected, rel=0.02)
    assert "Too large  train" in text(plan(load_study("sapo", ROOT / "config"), "h100"))


def test_more_seeds_cost_in_proportion(place):
    study = load_study("one_gpu", ROOT / "config")
    once, thrice = (rows_of(plan(study.seeded(count), "h100x1")) for count in (1, 3))
    assert thrice["train"].jobs == 3 * once["train"].jobs
    assert thrice["train"].hours == pytest.approx(3 * once["train"].hours)
    assert thrice["evaluate"].jobs == once["evaluate"].jobs  # one job serves all seeds


def test_a_policy_of_unknown_shape_is_planned_by_its_files(place, tmp_path):
    (tmp_path / "config/methods.yaml").write_text((ROOT / "config/methods.yaml").read_text())
    mine = (ROOT / "config/one_gpu.yaml").read_text().replace("Qwen/Qwen2.5-0.5B-Instruct", "me/mine", 1)
    (tmp_path / "config/mine.yaml").write_text(mine + "model_mirror: models\n")
    with pytest.raises(BadInput, match="'me/mine': its shape is unknown"):
        plan(load_study("mine"), "h100x1")
    (tmp_path / "models/me/mine").mkdir(parents=True)
    sizes = {"vocab_size": 1000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "num_key_value_heads": 2, "model_type": "qwen2", "tie_word_embeddings": True}
    (tmp_path / "models/me/mine/config.json").write_text(json.dumps(sizes))
    found = rows_of(plan(load_study("mine"), "h100x1"))
    assert found["warm_start"].bytes == 3 * 2 * shape_in(sizes).parameters  # three seeds, two bytes a number
