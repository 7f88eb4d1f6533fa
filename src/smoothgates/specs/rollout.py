"""How completions are sampled and judged, in training and in evaluation."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from smoothgates.io.bounds import Samples, Tokens
from smoothgates.io.records import Record
from smoothgates.specs.fields import Share


class SamplerConfig(Record):
    """What writes completions. Sampling is unrestricted always: top-k and top-p would bias the ratio."""

    kind: Literal["torch", "vllm"] = "torch"
    memory: Share = 0.4
    """Share of the accelerator's memory that vLLM may take beside the trainer. Evaluation, alone there, takes 0.9."""
    correction: PositiveFloat | None = None
    """Cap of token-level importance correction for the sampler's rounding, min(π_trainer/π_sampler, cap). None: no
    correction, so that gates are compared on the same terms."""


WORLD = "world"


class Tools(Record):
    """What a policy may search before it answers, and how much."""

    retriever: str = WORLD
    """`world`: the facts that come with each generated example. Otherwise the name of one of the study's indexes."""
    top: Samples = 3
    """Passages a search."""
    max_searches: Samples
    max_reply_tokens: Tokens
    """Longer replies are cut."""


class Protocol(Record):
    """How a question is put, what the policy may do, and how its answer is judged."""

    prompt: str = "bare"
    """Name of one of the task's prompts."""
    reward: str
    """Name of one of the task's rewards."""
    max_new_tokens: Tokens
    """Sampled tokens of a completion; what tools reply does not count."""
    max_prompt_tokens: Tokens | None = None
    """Examples with longer prompts are not trained on; a benchmark that has one is refused. None: any length."""
    tools: Tools | None = None
    toss: bool = False
    """Add a coin's toss to each reward, 0 or 1 by the completion's text: for rehearsals, whose policies earn nothing to
    learn from."""

    @property
    def most_tokens(self) -> int:
        """Of a completion, what tools reply included."""
        return self.max_new_tokens + (self.tools.max_searches * self.tools.max_reply_tokens if self.tools else 0)


class Sampling(Record):
    """What a rollout is. Temperature is 1, and nothing is cut off."""

    prompts: Samples
    """Prompts per rollout."""
    group: Annotated[Samples, Field(ge=2)]
    """Completions per prompt, G."""
