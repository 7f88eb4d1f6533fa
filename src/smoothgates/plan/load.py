"""What a job has to do, as the cost model sees it: sequences and tokens, filled from the job's spec."""

from dataclasses import dataclass
from pathlib import Path

from smoothgates.jobs import Job
from smoothgates.plan.shape import Shape, shape_of
from smoothgates.retrieval.spec import IndexSpec
from smoothgates.specs import Architecture, EvaluateSpec, PolicySpec, PrepareSpec, Protocol, TrainSpec
from smoothgates.study import LoadedStudy

SHARE = 0.6
"""Expected length of a completion, and of what tools reply, as a share of the most allowed."""
VARIED = 0.6
"""Share of completions whose group has more than one reward: the others are sampled, not trained on."""
PROMPT = 1 / 8
"""Expected length of a prompt as a share of the policy's positions; at most `LONG_PROMPT`."""
LONG_PROMPT = 200
PUBLIC_ROWS = 10_000
"""Of a public data set that is taken whole."""
DENSE = (2 * 110e6 / 4 / 20e9, 6.0)
"""An encoder of 110 million parameters, 4 bytes a token, 20 Gflop/s; passages and 768 numbers for each."""
INDEXED = {"bm25": (4e-7, 1.5), "dense_flat": DENSE, "dense_ivf": DENSE}
"""Seconds, and bytes of the index, a byte of the corpus."""


@dataclass(frozen=True)
class Rollouts:
    """`times` batches, one after the other, of `samples` completions to each of `prompts`."""

    times: float
    prompts: int
    samples: int

    @property
    def completions(self) -> int:
        return self.prompts * self.samples


@dataclass(frozen=True)
class Load:
    """What one job has to do. Zero: it does not happen. Lengths are in tokens."""

    shape: Shape | None = None
    """None: no policy takes part."""
    rollouts: tuple[Rollouts, ...] = ()
    prompt: float = 0.0
    """Expected length."""
    completion: float = 0.0
    """Expected length, replies of tools included."""
    decoded: int = 0
    """Longest completion, replies included."""
    longest: int = 0
    """Longest prompt and completion together: what memory must hold."""
    scored: float = 0.0
    """Sequences whose old log-probabilities are taken."""
    updates: float = 0.0
    sequences: float = 0.0
    """In an update."""
    micro_batch: int | None = None
    """Sequences in one backward pass on one accelerator; none: all of an update."""
    kept: int = 0
    """Policies that the job leaves: the final one, and checkpoints of the learning curve."""
    chore_seconds: float = 0.0
    """Work of an ordinary processor, in seconds of a laptop's core."""
    bytes_left: float = 0.0
    """Of results other than policies."""


def load_of(job: Job, study: LoadedStudy) -> Load:
    """From what the job is told."""
    match job.spec:
        case TrainSpec() as spec:
            return train_load(spec, study.config.architecture)
        case PolicySpec() as spec:
            return policy_load(spec, study.config.tasks[spec.task].protocol)
        case EvaluateSpec() as spec:
            return evaluate_load(spec, job, study)
        case PrepareSpec() as spec:
            rows = sum(part.rows or PUBLIC_ROWS for part in (*spec.train, *spec.benchmarks.values()))
            return Load(chore_seconds=0.2 + 4e-5 * rows, bytes_left=30 * rows)
        case IndexSpec() as spec:
            size = sum(Path(path).stat().st_size for path in job.inputs if Path(path).exists())
            seconds, grown = INDEXED[spec.kind]
            return Load(chore_seconds=seconds * size, bytes_left=grown * size)
    seconds, size = {"analyse": (1.0, 7e3 * len(job.inputs)), "gates": (0.8, 2e5), "report": (5.0, 3e6)}[job.rule]
    return Load(chore_seconds=seconds, bytes_left=size)


def train_load(spec: TrainSpec, arch: Architecture) -> Load:
    regime, sampling = spec.regime, spec.sampling
    times = regime.rollouts + regime.lag
    trained = sampling.prompts * sampling.group * VARIED
    updates = regime.rollouts * regime.minibatches * regime.epochs
    return Load(
        shape=shape_of(arch),
        rollouts=(Rollouts(times, sampling.prompts, sampling.group),),
        **lengths(spec.protocol, arch),
        scored=times * trained,
        updates=updates,
        sequences=trained / regime.minibatches,
        kept=1 + checkpoints(regime.rollouts, spec.checkpoint_every),
        bytes_left=1e4 + 200 * updates,
    )


def policy_load(spec: PolicySpec, protocol: Protocol) -> Load:
    """Demonstrations are taken to be as long as the task's completions."""
    supervised = spec.supervised
    return Load(
        shape=shape_of(spec.architecture),
        **lengths(protocol, spec.architecture),
        updates=sum(phase.steps for phase in supervised.phases) if supervised else 0,
        sequences=supervised.batch_size if supervised else 0,
        kept=1,
        bytes_left=1e4,
    )


def evaluate_load(spec: EvaluateSpec, job: Job, study: LoadedStudy) -> Load:
    """One job serves all seeds. How many checkpoints each kept is its regime's doing."""
    runs, arch = len(job.outputs), study.config.architecture
    regime = study.config.regimes.get(job.name.split("/")[1])
    kept = checkpoints(regime.rollouts, study.config.checkpoint_every) if regime else 0
    asked = [Rollouts(runs, spec.final.problems, spec.final.samples)]
    if spec.greedy:
        asked.append(Rollouts(runs, spec.final.problems, 1))
    if spec.curve and kept:
        asked.append(Rollouts(runs * kept, spec.curve.problems, spec.curve.samples))
    samples = runs * spec.final.problems * spec.final.samples
    return Load(
        shape=shape_of(arch),
        rollouts=tuple(asked),
        **lengths(spec.protocol, arch),
        bytes_left=3e3 * runs + 20 * samples,
    )


def lengths(protocol: Protocol, arch: Architecture) -> dict:
    tools = protocol.tools
    decoded = protocol.max_new_tokens + (tools.max_searches * tools.max_reply_tokens if tools else 0)
    prompt = min(arch.max_position_embeddings * PROMPT, LONG_PROMPT)
    return {
        "prompt": prompt,
        "completion": SHARE * decoded,
        "decoded": decoded,
        "longest": int(min(arch.max_position_embeddings, 2 * prompt + decoded)),
    }


def checkpoints(rollouts: int, every: int) -> int:
    """How many a run keeps beside its final policy.

    >>> checkpoints(16, 4), checkpoints(3, 4)
    (3, 0)
    """
    return (rollouts - 1) // every
