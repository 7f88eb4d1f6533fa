"""A study made small, to rehearse it: every stage of it, with stand-ins for published models, in a minute or two.

`NAME_shrunk` is the study NAME with its engine, its sampler and its device, to run where the study is to run.
`NAME_shrunk_cpu` has torch on ordinary cores instead, and made-up rows for the hub's data sets, to run anywhere. Both
are studies of their own, with results of their own. What is kept: tasks, sources, prompts, rewards, tools, one regime
of each task with its minibatches, epochs and lag, the reference and one more method, one benchmark of each task.
"""

from collections.abc import Callable
from pathlib import Path

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
from smoothgates.study.schema import Data, Study, Task, WithExperts
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
"""Of a published model. It has few words, so that texts are some three times as many tokens."""
EXPERTS = ExpertsConfig(count=8, chosen=2, intermediate_size=32)
ROLLOUTS, PROMPTS, GROUP, NEW_TOKENS, PROMPT_TOKENS, REPLY_TOKENS, SEARCHES = 2, 8, 4, 24, 6000, 64, 2
PROBLEMS, SAMPLES, STEPS, ROWS = 8, 2, 20, 2000
MICRO_BATCH = 4096
"""Tokens: less than a minibatch has, so that it is divided."""
PASSAGES = 2000
CORPUS = STAND_INS / "toolqa/passages.jsonl"


def shrunk_from(path: Path) -> tuple[Path, Callable[[Study], Study]]:
    """The file that a study is read from, and what is done to it.

    >>> shrunk_from(Path("config/sapo_shrunk.yaml"))[0].name
    'sapo.yaml'
    """
    for suffix, change in (("_shrunk", shrunk), ("_shrunk_cpu", on_cpu)):
        if path.stem.endswith(suffix) and not path.exists():
            return path.with_name(path.stem.removesuffix(suffix) + path.suffix), change
    return path, lambda study: study


def on_cpu(study: Study) -> Study:
    """Shrunk, with torch on ordinary cores, and nothing asked of the hub."""
    small = shrunk(study if study.data_mirror else with_stand_in_data(study))
    engine = small.engine.model_copy(update={"kind": "torch", "dtype": "float32", "offload": False})
    sampler = small.sampler.model_copy(update={"kind": "torch"})
    return small.model_copy(update={"engine": engine, "sampler": sampler, "device": "cpu"})


def shrunk(study: Study) -> Study:
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
    """Made-up rows of each public source, also where the hub could be reached: a rehearsal is the same everywhere."""
    indexes = {name: index.model_copy(update={"corpus": (str(CORPUS),)}) for name, index in study.indexes.items()}
    tasks = {name: task.model_copy(update={"data": whole(name, task.data)}) for name, task in study.tasks.items()}
    return study.model_copy(update={"data_mirror": str(STAND_INS), "indexes": indexes, "tasks": tasks})


def whole(task: str, data: Data) -> Data:
    """With all rows of public sources, as the stand-ins have few."""
    public = load_task(task).sources

    def all_of(part: Part) -> Part:
        return part.model_copy(update={"rows": None}) if part.source in public else part

    benchmarks = {name: all_of(part) for name, part in data.benchmarks.items()}
    return data.model_copy(update={"train": tuple(map(all_of, data.train)), "benchmarks": benchmarks})


def stand_in(model: Model) -> Model:
    """A few random weights of the same family, unless the study names a stand-in itself."""
    known = KNOWN.get(model.hub)
    experts = EXPERTS if known and known.experts > 1 else None
    return model.model_copy(update={"shrunk": model.shrunk or STAND_IN.model_copy(update={"experts": experts})})


def small_index(index: IndexSpec) -> IndexSpec:
    """The first passages by BM25: no encoder is fetched."""
    return IndexSpec(kind="bm25", corpus=index.corpus, first=min(index.first or PASSAGES, PASSAGES))


def small_regime(regime: Regime) -> Regime:
    return regime.model_copy(update={"rollouts": min(regime.rollouts, ROLLOUTS)})


def small_block(block: Task | WithExperts, reference: str) -> dict:
    """What a task, and its part with experts, say alike."""
    return {
        "regimes": block.regimes[:1],
        "methods": (reference, *[method for method in block.methods if method != reference][:1]),
        "warm_start": block.warm_start and fewer_steps(block.warm_start),
    }


def small_task(task: Task, reference: str) -> Task:
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
    """Rows that are generated, or named. A public data set is read whole."""
    return part.model_copy(update={"rows": part.rows and min(part.rows, ROWS)})


def fewer_steps(supervised: Supervised) -> Supervised:
    phases = [phase.model_copy(update={"steps": min(phase.steps, STEPS)}) for phase in supervised.phases]
    return supervised.model_copy(update={"phases": tuple(phases)})
