"""Checks of a GPU before a study is run on it."""

import pytest

from smoothgates.train.sync import TOLERANCE

from .measure import KINDS, Bench, available


@pytest.fixture(scope="module")
def bench(device, tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench") / "bench", device)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_log_probabilities_scatter_no_more_than_the_canary_allows(bench, dtype):
    found = bench.noise(dtype)
    assert found["again"] == {"mean": 0.0, "max": 0.0}, "old log-probabilities would differ from the first update's"
    for name in found.keys() - {"in single precision"}:
        assert found[name]["mean"] <= TOLERANCE[dtype], (name, found)


@pytest.mark.parametrize(("engine", "sampler"), KINDS)
def test_a_short_run_ends_within_twice_the_memory_that_plan_names(bench, engine, sampler):
    if (engine, sampler) not in available(bench.device):
        pytest.skip(f"{engine} with {sampler} does not run here")
    found = bench.short_run(engine, sampler)
    assert found["sampled_tokens_per_second"] > 0
    if bench.device == "cuda" and found["planned_bytes"]:
        assert found["planned_bytes"] / 2 <= found["peak_bytes"] <= 2 * found["planned_bytes"], found
