"""The records of claims: what a paper says, and the comparison that tests it. They are read from config/claims.yaml."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from smoothgates.io.records import NAME, Record

Name = Annotated[str, Field(pattern=NAME)]
Text = Annotated[str, Field(min_length=1)]
Metric = Literal[
    "score",
    "drawdown",
    "eur",
    "last_reward",
    "attenuated",
    "last_entropy",
    "entropy_change",
    "entropy_eur_correlation",
    "grad_norm_jumps",
    "log_ratio_reach",
    "routing_churn",
    "sequence_variance",
    "rollouts_to_format",
]
"""The names of analysis/measures.py, which explains them. Here a study can be read without loading it."""
Check = Literal[
    "sigmoid_is_admissible",
    "erf_is_admissible",
    "arctan_is_admissible",
    "softsign_is_admissible",
    "weight_is_one_on_policy",
    "on_policy_is_policy_gradient",
    "gspo_token_is_gspo",
    "gspo_tokens_weigh_the_same",
    "sapo_gap_is_bounded",
    "sapo_is_a_sequence_gate_in_the_limit",
    "negative_advantage_raises_the_unsampled",
    "gradient_is_bounded_by_one_minus_pi",
    "printed_weights_are_one",
    "weight_rises_with_probability",
]
"""The names of analysis/theory.py, likewise."""


class Reported(Record):
    """What the paper reports."""

    text: Text
    """Its number or figure, in words; `unknown` if we have not seen it."""
    effect: float | None = None
    """Its number for the `effect` of the claim's test, in the same unit. None: unknown."""
    error: PositiveFloat | None = None
    """Standard error of `effect`: the paper's own, or the binomial one of its numbers of problems. None: unknown."""
    policy: Text
    """The policy that the paper speaks of."""


class Cell(Record):
    """Where a comparison is made. Any study that has this cell, with both methods, tests the claim."""

    task: Name
    regime: Name
    benchmark: Name
    """Of the score. Other metrics are those of the run, whatever the benchmark."""


Methods = Annotated[tuple[Name, ...], Field(min_length=1, max_length=2)]
"""Rows of the method table."""


class ClaimTest(Record):
    """A comparison that tests a claim: its effect is metric(one) − times · metric(other) − value, by seed."""

    metric: Metric
    """A measure of a run."""
    methods: Annotated[tuple[Methods, ...], Field(min_length=1)]
    """[one, other], or [one] alone, which is compared with `value`. Of several, the first that a cell has counts."""
    times: PositiveFloat = 1.0
    value: float = 0.0
    direction: Literal["above", "below"]
    """The claim holds if the effect is above 0, or below 0."""
    margin: PositiveFloat
    """The smallest effect that would matter, in the unit of the metric. Ours; no paper states one."""
    cells: Annotated[tuple[Cell, ...], Field(min_length=1)]
    """In this order: the first that a study has is the one that counts."""


class Needs(Record):
    """What a test needs where a study cannot make it."""

    study: Name | None = None
    """A study of config/, with the seeds that `studies` gives for it."""
    more: Text | None = None
    """What no study of this project has."""

    @model_validator(mode="after")
    def _something(self) -> "Needs":
        if self.study is None and self.more is None:
            raise ValueError("expected `study`, `more`, or both")
        return self


class Claim(Record):
    """One claim of a paper. It has a `test` (runs are compared), a `check` (a computation), or neither."""

    paper: Literal["2602.19345", "2511.20347", "2507.18071", "2511.00066"]
    """Its number on arXiv."""
    statement: Text
    """In our words."""
    where: Text
    """The place in the paper, or the source that we know it by."""
    reported: Reported | None = None
    """None for theory, which reports no measurement."""
    test: ClaimTest | None = None
    check: Check | None = None
    """A computation, which no policy takes part in."""
    needs: Needs | None = None
    """None for a `check`: it needs nothing."""

    @model_validator(mode="after")
    def _one_way(self) -> "Claim":
        if self.check is not None:
            if self.test or self.needs or self.reported:
                raise ValueError("check: expected no `test`, `reported` or `needs` beside it")
        elif self.needs is None or self.reported is None:
            raise ValueError("expected `check`, or `reported` and `needs`")
        return self


class Planned(Record):
    """What `plan --study NAME --seeds SEEDS --machine MACHINE` says."""

    seeds: PositiveInt
    machine: Text
    gpu_hours: PositiveFloat


class Claims(Record):
    """All claims, and what the studies cost that would test them on the papers' policies."""

    studies: dict[Name, Planned] = Field(default={})
    """By the name of the study."""
    claims: Annotated[dict[Name, Claim], Field(min_length=1)]
    """By id."""

    @model_validator(mode="after")
    def _planned(self) -> "Claims":
        for name, claim in self.claims.items():
            if claim.needs and claim.needs.study and claim.needs.study not in self.studies:
                raise ValueError(f"claims.{name}.needs.study: '{claim.needs.study}' is not among studies")
        return self
