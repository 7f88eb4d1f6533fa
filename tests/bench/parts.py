"""The parts of the benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part of the benchmark."""

    title: str
    modules: tuple[str, ...]
    """Files of this folder."""
    prose: str
    """What is measured, for the page."""


PARTS = {
    "K0": Part(
        "Ceilings of the machine",
        ("ceilings",),
        "Copying memory and multiplying matrices, on one core or on the GPU: no part can be faster than these allow.",
    ),
    "K1": Part(
        "Gates",
        ("gates",),
        "The loss of each method of `config/methods.yaml` and its gradient, on the same log-probabilities, without the diagnostics that "
        "training records. Plain policy gradient is −r·Â with the same mask and aggregation, by autograd. "
        "The notes say what the diagnostics add, and how many bytes the operations' arguments and results have "
        "(counted at each operation of torch; views count nothing).",
    ),
    "K2": Part(
        "Log-probabilities of tokens",
        ("logprobs",),
        "Forward and backward from hidden states of width 64 over a vocabulary of 151,936 words, the entropy included. "
        "Peak memory is that of a process of its own, beyond the gradients that all return. Values and gradients were "
        "compared first: they agree to 1e-4.",
    ),
    "K3": Part("One RL step", ("step",), "Ours beside TRL's trainer, on equal work."),
    "K4": Part(
        "Verdicts",
        ("verdicts",),
        "By the clock, on all cores: worker processes judge what plain numbers do not decide. math-verify runs in the same workers.",
    ),
    "K5": Part(
        "Retrieval",
        ("retrieval",),
        "Ours keeps the passages too, and maps its index from files; bm25s by hand holds its index in memory and returns numbers of passages.",
    ),
    "K6": Part(
        "Starting a job, and the DAG",
        ("startup", "dag"),
        "CPU seconds of processes, their children included.",
    ),
    "K7": Part("Evaluation", ("evaluation",), "The whole process, its start included, divided by its runs."),
    "K8": Part(
        "Where each CPU second of a study goes",
        ("study",),
        "From the `run.json` of each job. Snakemake's own seconds have no such record.",
    ),
}
