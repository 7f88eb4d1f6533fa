"""A method: one row of config/methods.yaml, composed of gate × ratio × weights × mask × advantage × aggregation."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from smoothgates.gates import GATES
from smoothgates.gates.gate import Gate, Parameter, one_sided
from smoothgates.io.bounds import Tokens
from smoothgates.io.records import Record
from smoothgates.methods.gate_name import GateName


def _pair(value: object) -> object:
    """One number stands for both signs of the advantage."""
    return (value, value) if isinstance(value, int | float) else tuple(value) if isinstance(value, list) else value


def _none(value: object) -> object:
    """YAML reads `none` as a string."""
    return None if value == "none" else value


Positive = Annotated[float, Field(gt=0)]
Pair = Annotated[tuple[Positive, Positive], BeforeValidator(_pair)]


class GrpoSg(Record):
    """GRPO-SG's token weight (2511.00066). `objective/weights.py` says what is known of it and what is inferred."""

    kind: Literal["grpo_sg"]
    reading: Literal["printed", "a", "b"] = "b"
    """How to bracket the formula, which is known second-hand. `printed` is the constant 1."""
    placement: Literal["inside", "outside"] = "outside"
    """Inside the clip (w·r is gated) or outside it (w multiplies the gated term)."""


class AdvantageReweighting(Record):
    """AR's weight α·π_old + 1 − α (2505.12929)."""

    kind: Literal["ar"]
    alpha: Annotated[float, Field(ge=0, le=1)]
    placement: Literal["outside"] = "outside"


Weights = Annotated[GrpoSg | AdvantageReweighting, Field(discriminator="kind")]


class Divergence(Record):
    """DPPO's masks (2602.04879): no gradient where π has moved too far already, in the direction of Â."""

    kind: Literal["tv", "kl"]
    """Total variation |π − π_old| or KL(π_old ‖ π), both of two events: this token or any other."""
    bound: Pair
    """The largest divergence, [when π falls and Â ≤ 0, when π rises and Â > 0], or one number for both."""


class Covariance(Record):
    """Clip-Cov (2505.22617): a few random tokens with a high covariance of log π and Â have no gradient."""

    kind: Literal["covariance"]
    share: Annotated[float, Field(gt=0, le=1)]
    """How many of an update's tokens."""
    window: Annotated[tuple[float, float], BeforeValidator(_pair)]
    """The covariances to choose from, [above, below]."""

    @model_validator(mode="after")
    def _window_is_open(self) -> "Covariance":
        if not self.window[0] < self.window[1]:
            raise ValueError(f"window: expected a lower bound and a larger one, got {list(self.window)}")
        return self


Mask = Annotated[Divergence | Covariance, Field(discriminator="kind")]


class Constant(Record):
    """Divide by sequences × this constant (Dr. GRPO: the longest completion allowed; LUSPO: 1)."""

    constant: Tokens


class Method(Record):
    """One method: its gate and how the gate is applied."""

    gate: GateName
    """The name of a file in `gates/`."""
    one_sided: bool = False
    """Apply a smooth gate only where the PPO clip acts: for r > 1 when Â > 0, for r < 1 when Â ≤ 0."""
    tau: Pair | None = None
    """Temperature of a smooth gate, [Â > 0, Â ≤ 0] or one number for both."""
    half_width: Pair | None = None
    """The distance |r − 1| at which f′ = ½, in the same order; given instead of `tau`."""
    clip: Pair | None = None
    """Distance of the clip's bounds from 1, [below, above]."""
    ratio: Literal["token", "sequence", "sequence_token", "product", "geometric"] = "token"
    """One ratio a token, one a sequence (GSPO), GSPO-token, the product of a sequence's ratios (VESPO), or the
    geometric mean of its clipped ratios (GMPO; `clip` then bounds log r)."""
    weights: Annotated[Weights | None, BeforeValidator(_none)] = None
    """Token weights by probability, or none."""
    mask: Annotated[Mask | None, BeforeValidator(_none)] = None
    """Which tokens lose their gradient for another reason than their ratio, or none."""
    advantage: Literal["zscore", "centered"] = "zscore"
    """Within the group: (R − mean)/std, or R − mean."""
    aggregation: Literal["sequence_mean", "token_mean"] | Constant = "sequence_mean"
    """Mean over sequences of their token means, mean over all tokens, or {constant: C}."""
    routing_replay: bool = False
    """For policies with experts: send each token through the experts that it took when the old log-probabilities were
    computed, weighted by the current router (GSPO, 2507.18071, section 5.3)."""

    @model_validator(mode="after")
    def _scale_fits_gate(self) -> "Method":
        given = {key for key in ("tau", "half_width", "clip") if getattr(self, key) is not None}
        parameter = GATES[self.gate].parameter
        takes: dict[Parameter, list[set[str]]]
        takes = {"tau": [{"tau"}, {"half_width"}], "clip": [{"clip"}], "none": [set()]}
        wanted = takes[parameter]
        if given not in wanted:
            expected = " or ".join("`" + next(iter(keys)) + "`" if keys else "no scale" for keys in wanted)
            raise ValueError(f"gate '{self.gate}' takes {expected}, got {', '.join(sorted(given)) or 'no scale'}")
        if self.one_sided and parameter != "tau":
            raise ValueError(f"one_sided: expected a smooth gate, which takes `tau`, got gate '{self.gate}'")
        if self.ratio == "geometric" and (self.gate != "clip" or (self.weights and self.weights.placement == "inside")):
            raise ValueError("ratio 'geometric': expected gate 'clip' and no weights inside it")
        return self

    def applied_gate(self) -> Gate:
        """Return the gate that the loss applies: the one that `gate` names, or its one-sided control."""
        gate = GATES[self.gate]
        return one_sided(gate) if self.one_sided else gate

    def scales(self) -> tuple[float, float]:
        """Return the gate's scale for Â > 0 and for Â ≤ 0; 1 for a gate without a scale.

        >>> Method(gate="erf", half_width=0.2).scales()[0]
        5.887050112577373
        """
        if self.clip is not None:
            below, above = self.clip
            return above, below
        if self.half_width is not None:
            unit = GATES[self.gate].half_width(1.0)  # the half-width of a smooth gate is proportional to 1/τ
            return unit / self.half_width[0], unit / self.half_width[1]
        return self.tau or (1.0, 1.0)
