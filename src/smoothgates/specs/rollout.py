"""How completions are sampled and judged, in training and in evaluation."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from smoothgates.io.bounds import Samples, Tokens
from smoothgates.io.records import Record
from smoothgates.specs.fields import Share


class SamplerConfig(Record):
    """The sampler. Sampling is always unrestricted: top-k and top-p would bias the ratio."""

    kind: Literal["torch", "vllm"] = "torch"
    memory: Share = 0.4
    """Share of the accelerator's memory for vLLM in training. Evaluation uses 0.9, because it runs alone."""
    correction: PositiveFloat | None = None
    """Cap of the token-level importance correction for the sampler's rounding, min(π_trainer/π_sampler, cap). None: no
    correction, so that gates are compared on equal terms."""


WORLD = "world"


class Tools(Record):
    """The search tool of a policy, and its limits."""

    retriever: str = WORLD
    """`world`: the facts of each generated example. Otherwise the name of one of the study's indexes."""
    top: Samples = 3
    """Passages found by each search."""
    max_searches: Samples
    max_reply_tokens: Tokens
    """Longer replies are cut."""


class Protocol(Record):
    """How a question is asked, which tools the policy has, and how its answer is judged."""

    prompt: str = "bare"
    """Name of one of the task's prompts."""
    reward: str
    """Name of one of the task's rewards."""
    max_new_tokens: Tokens
    """Most sampled tokens of a completion. Tools' replies do not count."""
    max_prompt_tokens: Tokens | None = None
    """Examples with longer prompts are not trained on; a benchmark that has one is refused. None: any length."""
    tools: Tools | None = None
    toss: bool = False
    """For rehearsals: add 0 or 1 to each reward, decided by the completion's text. Their untrained policies would earn
    no reward to learn from."""

    @property
    def most_tokens(self) -> int:
        """Most tokens of a completion, tools' replies included."""
        return self.max_new_tokens + (self.tools.max_searches * self.tools.max_reply_tokens if self.tools else 0)


class Sampling(Record):
    """The size of a rollout. Sampling is at temperature 1, without top-k or top-p."""

    prompts: Samples
    """Prompts per rollout."""
    group: Annotated[Samples, Field(ge=2)]
    """Completions per prompt, G."""
