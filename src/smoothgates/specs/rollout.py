"""How completions are sampled and judged, in training and in evaluation."""

from typing import Literal

from pydantic import PositiveFloat

from smoothgates.io.bounds import Samples, Tokens
from smoothgates.io.records import Record
from smoothgates.specs.fields import Share


class SamplerConfig(Record):
    """The sampler of completions. It never restricts sampling: top-k and top-p would bias the ratio."""

    kind: Literal["torch", "vllm"] = "torch"
    memory: Share = 0.4
    """Share of the accelerator's memory that vLLM may use beside the trainer. Evaluation runs alone and uses 0.9."""
    correction: PositiveFloat | None = None
    """Cap of the token-level importance correction for the sampler's rounding, min(π_trainer/π_sampler, cap). None: no
    correction, so that gates are compared under the same conditions."""


WORLD = "world"


class Tools(Record):
    """What a policy may search before it answers, and how often."""

    retriever: str = WORLD
    """`world`: the facts that come with each generated example. Otherwise the name of one of the study's indexes."""
    top: Samples = 3
    """Passages that each search returns."""
    max_searches: Samples
    max_reply_tokens: Tokens
    """Longer replies are cut off."""


class Protocol(Record):
    """How a question is asked, which tools the policy may use, and how its answer is judged."""

    prompt: str = "bare"
    """Name of one of the task's prompts."""
    reward: str
    """Name of one of the task's rewards."""
    max_new_tokens: Tokens
    """Most tokens that the policy samples for a completion; the replies of tools do not count."""
    max_prompt_tokens: Tokens | None = None
    """Training leaves out examples with longer prompts; a benchmark that has one is an error. None: any length."""
    tools: Tools | None = None
    toss: bool = False
    """For rehearsals, whose policies earn no reward to learn from: add 0 or 1 to each reward, a coin toss that depends
    on the completion's text alone."""

    @property
    def most_tokens(self) -> int:
        """Most tokens of a completion, the replies of tools included."""
        return self.max_new_tokens + (self.tools.max_searches * self.tools.max_reply_tokens if self.tools else 0)
