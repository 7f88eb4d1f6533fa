"""The load of a job, which the cost model prices: sequences and tokens, derived from the job's spec."""

from dataclasses import dataclass
from pathlib import Path

from smoothgates.io.paths import Paths
from smoothgates.jobs.dag import Job
from smoothgates.policy.shape import Shape, shape_of, shape_of_model
from smoothgates.retrieval.spec import IndexSpec
from smoothgates.specs.evaluate import EvaluateSpec
from smoothgates.specs.policy import PolicySpec
from smoothgates.specs.prepare import PrepareSpec
from smoothgates.specs.rollout import Protocol, SamplerConfig
from smoothgates.specs.train import EngineConfig, TrainSpec
from smoothgates.study.loader import LoadedStudy
from smoothgates.train.run.retention import curve_points

SHARE = 0.6
"""Expected length of a completion with its tool replies, as a share of the maximum."""
VARIED = 0.6
"""Share of completions in groups with different rewards. The others are sampled, but not trained on."""
PROMPT = 1 / 8
"""Expected length of a prompt, as a share of the compact policy's positions. At most `LONG_PROMPT`."""
LONG_PROMPT = 200
"""Expected length of a published policy's prompt. Without a limit in the protocol, the longest has twice as many."""
PUBLIC_ROWS = 10_000
"""Assumed rows of a public data set that is used whole."""
PASSAGE = 700
"""Assumed bytes of a passage."""
CORPUS = 14e9
"""Assumed bytes of a corpus that is not there yet: those of Wikipedia 2018."""
WIDTH = {"float32": 4, "bfloat16": 2}
"""Bytes per number."""
FETCHED = 1e8
"""Bytes per second from the hub."""
INDEXED = {"bm25": (4e-7, 1.5), "dense_flat": (4e-7, 6.0), "dense_ivf": (4e-7, 6.0)}
"""Seconds without the encoder and bytes of index, per byte of corpus. Dense indexes have 768 numbers per passage."""
PLAIN, OWN = EngineConfig(), SamplerConfig()
ENCODED = 2 * 110e6 / 4
"""Operations per byte of corpus, for an encoder of 110 million parameters and 4 bytes per token."""


@dataclass(frozen=True)
class Rollouts:
    """`times` batches, one after the other, each of `samples` completions for each of `prompts` prompts."""

    times: float
    prompts: int
    samples: int

    @property
    def completions(self) -> int:
        return self.prompts * self.samples


@dataclass(frozen=True)
class Load:
    """The work of one job. A zero means that this kind of work does not happen. Lengths are in tokens."""

    shape: Shape | None = None
    """The policy. None: the job uses none."""
    rollouts: tuple[Rollouts, ...] = ()
    prompt: float = 0.0
    """Expected length of a prompt."""
    completion: float = 0.0
    """Expected length of a completion, including tool replies."""
    decoded: int = 0
    """Longest completion, including tool replies."""
    longest: int = 0
    """Longest prompt plus completion, which must fit into memory."""
    scored: float = 0.0
    """Sequences whose old log-probabilities are computed."""
    updates: float = 0.0
    sequences: float = 0.0
    """Sequences in one update."""
    engine: EngineConfig = PLAIN
    """The engine. Its precision is that of the policy, even if nothing is trained."""
    sampler: SamplerConfig = OWN
    kept: int = 0
    """Policies that the job writes: the final one, and checkpoints of the learning curve."""
    chore_seconds: float = 0.0
    """Other work, in seconds of a laptop core."""
    encoded: float = 0.0
    """Operations of the passage encoder, in single precision."""
    bytes_left: float = 0.0
    """Bytes of results other than policies."""


def load_of(job: Job, study: LoadedStudy) -> Load:
    """The load of a job, from its spec."""
    match job.spec:
        case TrainSpec() as spec:
            experts = study.has_experts(spec.regime_name, spec.method_name)
            return train_load(spec, shape_for(spec.task, study, experts), lengths_for(spec.task, spec.protocol, study))
        case PolicySpec() as spec:
            return policy_load(spec, study)
        case EvaluateSpec() as spec:
            return evaluate_load(spec, job, study)
        case PrepareSpec() as spec:
            rows = sum(part.rows or PUBLIC_ROWS for part in (*spec.train, *spec.benchmarks.values()))
            return Load(chore_seconds=0.2 + 4e-5 * rows, bytes_left=30 * rows)
        case IndexSpec() as spec:
            size = sum(Path(path).stat().st_size for path in job.reads) if job.reads else CORPUS
            size = min(size, spec.first * PASSAGE) if spec.first else size
            seconds, grown = INDEXED[spec.kind]
            flops = 0 if spec.kind == "bm25" else ENCODED * size
            return Load(chore_seconds=seconds * size, encoded=flops, bytes_left=grown * size)
    seconds, size = {
        "check_gate": (1.0, 2e3),
        "analyse": (1.0, 7e3 * len(job.reads)),
        "gates": (0.8, 2e5),
        "report": (5.0, 3e6),
    }[job.rule]
    return Load(chore_seconds=seconds, bytes_left=size)


def train_load(spec: TrainSpec, shape: Shape, lengths: dict) -> Load:
    regime, sampling = spec.regime, spec.sampling
    times = regime.rollouts + regime.lag
    trained = sampling.prompts * sampling.group * VARIED
    updates = regime.rollouts * regime.minibatches * regime.epochs
    return Load(
        shape=shape,
        rollouts=(Rollouts(times, sampling.prompts, sampling.group),),
        **lengths,
        engine=spec.engine,
        sampler=spec.sampler,
        scored=times * trained,
        updates=updates,
        sequences=trained / regime.minibatches,
        kept=1 + curve_points(regime.rollouts, spec.checkpoint_every),
        bytes_left=1e4 + 200 * updates,
    )


def policy_load(spec: PolicySpec, study: LoadedStudy) -> Load:
    """Assumes demonstrations as long as the task's completions. A published policy is only fetched."""
    shape = shape_for(spec.task, study, study.has_experts(spec.regime_name, spec.method_name))
    supervised = spec.supervised
    if spec.model:
        size = WIDTH[study.config.engine.dtype] * shape.parameters
        return Load(chore_seconds=size / FETCHED, bytes_left=size)
    return Load(
        shape=shape,
        **lengths_for(spec.task, study.config.tasks[spec.task].protocol, study),
        updates=sum(phase.steps for phase in supervised.phases) if supervised else 0,
        sequences=supervised.batch_size if supervised else 0,
        kept=1,
        bytes_left=1e4,
    )


def evaluate_load(spec: EvaluateSpec, job: Job, study: LoadedStudy) -> Load:
    """One job evaluates the runs of all seeds, with as many checkpoints as their regime keeps."""
    runs = len(job.writes)
    regime = study.config.regimes.get(job.regime)
    kept = curve_points(regime.rollouts, study.config.checkpoint_every) if regime else 0
    asked = [Rollouts(runs, spec.final.problems, spec.final.samples + spec.greedy)]
    if spec.curve and kept:
        asked.append(Rollouts(runs * kept, spec.curve.problems, spec.curve.samples))
    samples = runs * spec.final.problems * spec.final.samples
    return Load(
        shape=shape_for(spec.task, study, study.has_experts(job.regime, job.method)),
        rollouts=tuple(asked),
        **lengths_for(spec.task, spec.protocol, study),
        engine=EngineConfig(dtype=spec.dtype),
        sampler=spec.sampler,
        bytes_left=3e3 * runs + 20 * samples,
    )


def shape_for(task: str, study: LoadedStudy, moe: bool) -> Shape:
    """The shape of a task's policy, `moe`: of the one with experts. Raises BadInput if a published one is unknown."""
    model, mirror = study.config.model_of(task), study.config.model_mirror
    if model is None:
        more = {"experts": study.config.tasks[task].moe.experts} if moe else {}
        return shape_of(study.config.architecture.model_copy(update=more))
    start = Path(Paths(study.name).warm_start.format(task=task, seed=study.config.seeds[0])).parent / "weights"
    return shape_of_model(model, [start, *([Path(mirror) / model.hub] if mirror else [])])


def lengths_for(task: str, protocol: Protocol, study: LoadedStudy) -> dict:
    tools, arch = protocol.tools, None if study.config.model_of(task) else study.config.architecture
    decoded = protocol.max_new_tokens + (tools.max_searches * tools.max_reply_tokens if tools else 0)
    prompt = min(arch.max_position_embeddings * PROMPT, LONG_PROMPT) if arch else LONG_PROMPT
    longest = (protocol.max_prompt_tokens or 2 * prompt) + decoded
    return {
        "prompt": prompt,
        "completion": SHARE * decoded,
        "decoded": decoded,
        "longest": int(min(arch.max_position_embeddings, longest) if arch else longest),
    }
