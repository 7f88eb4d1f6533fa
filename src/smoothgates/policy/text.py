"""Between a policy's questions and its token ids."""

from dataclasses import dataclass

from tokenizers import Tokenizer

from smoothgates.policy.tokenizer import EOS, prompt_ids
from smoothgates.tasks.task import Prompt


@dataclass(frozen=True)
class Text:
    """A policy's tokenizer, and how it is spoken to."""

    tokenizer: Tokenizer
    ends: tuple[int, ...]
    """Ids that end a completion."""

    def prompts(self, prompt: Prompt, questions: list[str]) -> list[list[int]]:
        """Token ids of each question, put as the policy expects it."""
        return prompt_ids(self.tokenizer, [prompt.in_one(question) for question in questions], prompt.prefill)


def compact_text(tokenizer: Tokenizer) -> Text:
    """Of the compact policy."""
    return Text(tokenizer, (tokenizer.token_to_id(EOS),))
