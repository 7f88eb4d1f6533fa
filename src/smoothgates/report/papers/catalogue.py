"""Which figures of the papers are drawn, and how. What each one shows in its paper: see `Head.original`."""

from collections.abc import Callable
from functools import partial

from smoothgates.report.papers.figure import Drawn, Head, NotDrawn, PaperData
from smoothgates.report.papers.gates import Ratios, ratios
from smoothgates.report.papers.lines import Lines, lines
from smoothgates.report.papers.shares import Shares, shares
from smoothgates.report.papers.spread import Spread, spread

GATES, SAPO, GSPO, GRPO_SG = "2602.19345", "2511.20347", "2507.18071", "2511.00066"

OF_GATES = "Qwen2.5-7B-Instruct, rewards from 0 to 2 (answer and format), 5,000 updates, no repeats."
OF_SAPO = "a cold start of Qwen3-30B-A3B-Base; training data, lengths and seeds are not known."
OF_GSPO = "a cold start of Qwen3-30B-A3B-Base; training data, lengths and seeds are not known."
PUBLISHED = ("grpo", "sigmoid", "erf", "arctan", "softsign")
TEMPERATURES = ("erf", "erf_1", "erf_5", "erf_13")


def head(name: str, paper: str, number: str, title: str, original: str) -> Head:
    return Head(f"{name}_f{number}", paper, f"Figure {number}", title, original)


FIGURES = (
    partial(ratios, Ratios(
        head("gates", GATES, "1", "Gates and their derivatives", "the same at τ = 1, 5 and 10; its axes are unknown."),
        gates=("sigmoid", "erf", "arctan", "softsign"),
        by_scale=True,
    )),
    partial(lines, Lines(
        head("gates", GATES, "2", "Training reward of the erf gate at several temperatures", OF_GATES),
        TEMPERATURES, one_of=("erf",), quantities=("reward",),
    )),
    partial(lines, Lines(
        head("gates", GATES, "3", "Training reward of GRPO and of the four gates at (10, 12)", OF_GATES),
        PUBLISHED, one_of=("grpo",), quantities=("reward",),
    )),
    partial(lines, Lines(
        head("gates", GATES, "4", "Entropy and EUR of GRPO and of the four gates at (10, 12)", OF_GATES),
        PUBLISHED, one_of=("grpo",), quantities=("policy_entropy", "eur"),
    )),
    partial(lines, Lines(
        head("gates", GATES, "5", "Entropy and EUR of the erf gate at several temperatures", OF_GATES),
        TEMPERATURES, one_of=("erf",), quantities=("policy_entropy", "eur"),
    )),
    partial(ratios, Ratios(
        head("sapo", SAPO, "1", "SAPO's gate and its weight", "the same for several τ, which are not known."),
        gates=("sigmoid",),
        by_scale=False,
    )),
    partial(spread, Spread(
        head("sapo", SAPO, "2", "Ratios, their variance and the gate gap, policies with experts",
             "histograms over more than 10⁵ sequences of a Qwen3-30B-A3B cold start, off-policy mini-batches."),
        method="sapo", experts=True,
    )),
    partial(spread, Spread(
        head("sapo", SAPO, "3", "Ratios, their variance and the gate gap, policies without experts",
             "histograms over more than 10⁵ sequences of a Qwen3-4B cold start, off-policy mini-batches."),
        method="sapo", experts=False,
    )),
    partial(lines, Lines(
        head("sapo", SAPO, "4", "Training reward and validation of SAPO, GSPO and GRPO",
             f"with three validation sets (AIME25, HMMT25, BeyondAIME), {OF_SAPO}"),
        ("sapo", "gspo", "grpo_r2", "grpo"), one_of=("sapo",), quantities=("reward", "score"),
    )),
    partial(lines, Lines(
        head("sapo", SAPO, "5", "Training reward of SAPO at three values of τ⁻", OF_SAPO),
        ("sapo", "sapo_100", "sapo_095"), one_of=("sapo",), quantities=("reward",),
    )),
    partial(lines, Lines(
        head("gspo", GSPO, "1", "Training reward and benchmarks of GSPO and GRPO",
             f"over training compute, with AIME24, LiveCodeBench and CodeForces, {OF_GSPO}"),
        ("gspo", "grpo_r2", "grpo_27", "grpo"), one_of=("gspo",), quantities=("reward", "score"),
        remark=" Rollouts stand for compute: each has the same number of completions and updates.",
    )),
    partial(shares, Shares(
        head("gspo", GSPO, "2", "Clipped share of tokens", f"bars at 0.0013 (GRPO) and 0.15 (GSPO), {OF_GSPO}"),
        ("gspo", "grpo_r2", "grpo_27", "grpo"), one_of=("gspo",), column="attenuated",
        shows="Share of tokens without gradient because of the clip, mean over all updates of a run.",
        label="clipped share of tokens",
    )),
    partial(lines, Lines(
        head("gspo", GSPO, "3", "Training reward of GRPO with and without routing replay", OF_GSPO),
        ("grpo_r2", "grpo_27", "grpo"), one_of=("grpo_r2",), quantities=("reward",),
    )),
    partial(lines, Lines(
        Head("grpo_sg_gradient_norms", GRPO_SG, "Gradient norms", "Gradient norm of GRPO-SG and GRPO",
             "gradient norms over steps, said to be smoother; its panels, policies and constants are not known."),
        ("grpo_sg", "grpo_sg_24", "grpo", "grpo_24"), one_of=("grpo_sg", "grpo_sg_24"), quantities=("grad_norm",),
        tasks=("math", "logic", "toolqa"), most=1,
    )),
)  # fmt: skip


BY_ID: dict[str, Callable[[PaperData], Drawn | NotDrawn]] = {make.args[0].head.id: make for make in FIGURES}


def paper_figures(data: PaperData) -> list[Drawn | NotDrawn]:
    """Every figure of the papers: drawn if the study has the data for it."""
    return [make(data) for make in FIGURES]
