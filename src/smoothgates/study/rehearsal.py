"""The rehearsal of a study: all of its stages, made so small that they take a minute or two.

`NAME_rehearsal` keeps the engine, the sampler and the device of the study NAME: run it where the study is to run.
`NAME_rehearsal_cpu` uses torch on a CPU, and made-up rows instead of the hub's data sets: run it anywhere. Each has its
own results. Published models are replaced by small random ones. A rehearsal keeps the tasks, sources, prompts, rewards
and tools; of each task one regime, with its minibatches, epochs and lag, and one benchmark; and two methods, one of
them the reference.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from smoothgates.data.mirror import STAND_INS
from smoothgates.policy.shape import KNOWN
from smoothgates.retrieval.spec import IndexSpec
from smoothgates.specs.architecture import Architecture, ExpertsConfig
from smoothgates.specs.evaluate import SamplingBudget
from smoothgates.specs.policy import Model
from smoothgates.specs.prepare import Part
from smoothgates.specs.rollout import Protocol
from smoothgates.specs.supervised import Supervised
from smoothgates.specs.train import Regime, Sampling
from smoothgates.study.schema import Data, Study, TaskConfig, WithExperts
from smoothgates.tasks import load_task

STAND_IN = Architecture(
    vocab_size=1024,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=8192,
    initializer_range=0.05,
)
"""Stands in for a published model. With its small vocabulary a text has about three times as many tokens."""
EXPERTS = ExpertsConfig(count=8, chosen=2, intermediate_size=32)
ROLLOUTS, PROMPTS, GROUP, NEW_TOKENS, PROMPT_TOKENS, REPLY_TOKENS, SEARCHES = 2, 8, 4, 24, 6000, 64, 2
PROBLEMS, SAMPLES, STEPS, ROWS = 8, 2, 20, 2000
MICRO_BATCH = 4096
"""Tokens. A minibatch has more, so that it is divided."""
PASSAGES = 2000
CORPUS = STAND_INS / "toolqa/passages.jsonl"


def rehearsal_of(path: Path) -> tuple[Path, Callable[[Study], Study]]:
    """The file that a study is read from, and the function that turns it into the rehearsal that `path` names.

    >>> rehearsal_of(Path("config/sapo_rehearsal.yaml"))[0].name
    'sapo.yaml'
    """
    for suffix, change in (("_rehearsal", rehearsed), ("_rehearsal_cpu", on_cpu)):
        if path.stem.endswith(suffix) and not path.exists():
            return path.with_name(path.stem.removesuffix(suffix) + path.suffix), change
    return path, lambda study: study


def on_cpu(study: Study) -> Study:
    """The rehearsal with torch on a CPU, which fetches nothing from the hub."""
    small = rehearsed(study if study.data_mirror else with_stand_in_data(study))
    engine = small.engine.model_copy(update={"kind": "torch", "dtype": "float32", "offload": False})
    sampler = small.sampler.model_copy(update={"kind": "torch"})
    return small.model_copy(update={"engine": engine, "sampler": sampler, "device": "cpu"})


def rehearsed(study: Study) -> Study:
    """The rehearsal with the study's own engine, sampler, device and data."""
    return study.model_copy(
        update={
            "seeds": study.seeds[:1],
            "model": study.model and stand_in(study.model),
            "engine": study.engine.model_copy(update={"tokens": study.engine.tokens and MICRO_BATCH}),
            "indexes": {name: small_index(index) for name, index in study.indexes.items()},
            "tasks": {name: small_task(task, study.reference) for name, task in study.tasks.items()},
            "regimes": {name: small_regime(regime) for name, regime in study.regimes.items()},
            "checkpoint_every": 1,
            "notes": {},
        }
    )


def with_stand_in_data(study: Study) -> Study:
    """Made-up rows for each public source, even if the hub can be reached: a rehearsal is the same everywhere."""
    indexes = {name: index.model_copy(update={"corpus": (str(CORPUS),)}) for name, index in study.indexes.items()}
    tasks = {name: task.model_copy(update={"data": whole(name, task.data)}) for name, task in study.tasks.items()}
    return study.model_copy(update={"data_mirror": str(STAND_INS), "indexes": indexes, "tasks": tasks})


def whole(task: str, data: Data) -> Data:
    """All rows of public sources: the stand-ins have few."""
    public = load_task(task).sources

    def all_of(part: Part) -> Part:
        return part.model_copy(update={"rows": None}) if part.source in public else part

    benchmarks = {name: all_of(part) for name, part in data.benchmarks.items()}
    return data.model_copy(update={"train": tuple(map(all_of, data.train)), "benchmarks": benchmarks})


def stand_in(model: Model) -> Model:
    """A small random model of the same family, unless the study names a stand-in."""
    known = KNOWN.get(model.hub)
    experts = EXPERTS if known and known.experts > 1 else None
    return model.model_copy(update={"stand_in": model.stand_in or STAND_IN.model_copy(update={"experts": experts})})


def small_index(index: IndexSpec) -> IndexSpec:
    """A BM25 index of the first passages, for which no encoder is fetched."""
    return IndexSpec(kind="bm25", corpus=index.corpus, first=min(index.first or PASSAGES, PASSAGES))


def small_regime(regime: Regime) -> Regime:
    return regime.model_copy(update={"rollouts": min(regime.rollouts, ROLLOUTS), "start": None})


def small_block(block: TaskConfig | WithExperts, reference: str) -> dict[str, Any]:
    """The keys that a task and its block with experts share."""
    first = block.regimes[0]
    return {
        "runs": {first: (reference, *[method for method in block.runs[first] if method != reference][:1])},
        "warm_start": block.warm_start and fewer_steps(block.warm_start),
    }


def small_task(task: TaskConfig, reference: str) -> TaskConfig:
    benchmark, evaluation = next(iter(task.evaluation.items()))
    final = fewer(evaluation.final)
    return task.model_copy(
        update={
            "data": task.data.model_copy(
                update={
                    "train": tuple(fewer_rows(part) for part in task.data.train),
                    "benchmarks": {name: fewer_rows(part) for name, part in task.data.benchmarks.items()},
                }
            ),
            "model": task.model and stand_in(task.model),
            "protocol": small_protocol(task.protocol),
            "sampling": Sampling(prompts=min(task.sampling.prompts, PROMPTS), group=min(task.sampling.group, GROUP)),
            "evaluation": {
                benchmark: evaluation.model_copy(
                    update={"final": final, "curve": evaluation.curve and fewer(evaluation.curve)}
                )
            },
            **small_block(task, reference),
            "moe": task.moe and task.moe.model_copy(update=small_block(task.moe, reference)),
            "sft": task.sft and fewer_steps(task.sft),
        }
    )


def small_protocol(protocol: Protocol) -> Protocol:
    limits = {"max_reply_tokens": REPLY_TOKENS, "max_searches": SEARCHES}
    tools = protocol.tools and protocol.tools.model_copy(
        update={key: min(getattr(protocol.tools, key), limit) for key, limit in limits.items()}
    )
    return protocol.model_copy(
        update={
            "max_new_tokens": min(protocol.max_new_tokens, NEW_TOKENS),
            "max_prompt_tokens": protocol.max_prompt_tokens and PROMPT_TOKENS,
            "tools": tools,
            "toss": True,
        }
    )


def fewer(benchmark: SamplingBudget) -> SamplingBudget:
    return SamplingBudget(problems=min(benchmark.problems, PROBLEMS), samples=min(benchmark.samples, SAMPLES))


def fewer_rows(part: Part) -> Part:
    """A part with fewer rows. If it gives no number, as for a whole public data set, it stays as it is."""
    return part.model_copy(update={"rows": part.rows and min(part.rows, ROWS)})


def fewer_steps(supervised: Supervised) -> Supervised:
    phases = [phase.model_copy(update={"steps": min(phase.steps, STEPS)}) for phase in supervised.phases]
    return supervised.model_copy(update={"phases": tuple(phases)})
