"""evaluate: a benchmark over every kept checkpoint of some runs. One process and one sampler serve all of them."""

from contextlib import ExitStack, closing
from pathlib import Path

import torch

from smoothgates.errors import BadInput
from smoothgates.evaluate.benchmark import load_benchmark
from smoothgates.evaluate.checkpoints import score_run
from smoothgates.io.files import digest, write_json, write_parquet
from smoothgates.io.paths import samples_of
from smoothgates.io.progress import track
from smoothgates.io.records import parse_spec
from smoothgates.policy.allocator import keep_freed_memory
from smoothgates.provenance.run_record import Execution
from smoothgates.rollout.make import make_sampler
from smoothgates.rollout.sampler import Sampler
from smoothgates.specs.evaluate import EvaluateSpec
from smoothgates.tasks import judging_parts


def run(
    spec_text: str,
    data: Path,
    models: list[Path],
    outs: list[Path],
    index: Path | None = None,
    env: str | None = None,
) -> None:
    """Write the scores of `models[i]` to `outs[i]`.

    The samples go to samples.parquet/ beside the scores, a data set with one file for each benchmark.
    """
    torch.set_num_threads(1)  # sums over threads differ in their last bits
    keep_freed_memory()
    if len(models) != len(outs):
        raise BadInput(f"--out: expected one for each --model ({len(models)}), got {len(outs)}")
    spec = parse_spec(EvaluateSpec, spec_text)
    benchmark = load_benchmark(spec, data, index)
    sampler, charged = None, 0.0
    with ExitStack() as stack:

        def loaded(folder: Path) -> Sampler:
            """The one sampler, with the weights of a policy folder."""
            nonlocal sampler
            if sampler is None:
                sampler = stack.enter_context(closing(make_sampler(spec.sampler, folder, spec.dtype)))
            else:
                sampler.load(folder)
            return sampler

        for model, out in track(list(zip(models, outs, strict=True)), "evaluate"):
            execution = Execution("evaluate", spec, judging_parts(spec.task), [data, model, index], charged, env)
            scores, samples = score_run(benchmark, model, loaded)
            kept = Path(samples_of(out.as_posix()))
            write_parquet(kept, samples)
            write_json(out, {**scores, "data_sha256": digest(data)})
            charged = execution.write(out.with_suffix(".run.json"), [out, kept])
