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
        "Copying memory and multiplying matrices, on one core or on the GPU. No part can be faster than these allow.",
    ),
    "K1": Part(
        "Gates",
        ("gates",),
        "The loss of each method of `config/methods.yaml` and its gradient, on the same log-probabilities. Plain "
        "policy gradient is −r·Â with the same mask, by autograd. The last column says what its f and f′ alone take, "
        "which no formula of the loss can save, what the ratio is with the diagnostics that training records, and how "
        "many bytes the arguments and results of torch's operations have.",
    ),
    "K2": Part(
        "Log-probabilities of tokens",
        ("logprobs",),
        "Forward and backward, from hidden states of width 64, over a vocabulary of 151,936 words. Entropy is "
        "included, but for Liger, which has none. Peak memory is that of a process of its own, beyond the gradients "
        "that all return. Values and gradients are compared first: they agree to 10⁻⁴.",
    ),
    "K3": Part(
        "One RL step",
        ("beside_trl",),
        "Ours beside TRL's on equal work, after loss and gradient norm were found equal.",
    ),
    "K4": Part(
        "Verdicts",
        ("verdicts",),
        "By the clock, on all cores: worker processes judge what plain numbers do not decide. math-verify runs in such "
        "workers too.",
    ),
    "K5": Part(
        "Retrieval",
        ("retrieval",),
        "Ours stores the passages too, and maps its index from files. bm25s by hand keeps its index in memory, and "
        "returns the numbers of passages.",
    ),
    "K6": Part(
        "Starting a job, and the DAG",
        ("startup", "overhead"),
        "CPU seconds of a process that starts, and of Snakemake's own process, without those of its jobs.",
    ),
    "K7": Part("Evaluation", ("evaluation",), "The whole process, its start included, divided by its runs."),
    "K8": Part(
        "Where each CPU second of a study goes",
        ("study",),
        "From the `run.json` of each job of the finished study that was in the checkout; Snakemake's own seconds from "
        "a study of as many jobs that do nothing. The bar is the share of the whole.",
    ),
    "K9": Part(
        "Growth",
        ("growing",),
        "A small policy, which shows best what is not arithmetic. Memory and time that should not grow are compared at "
        "a large and a small size.",
    ),
}
