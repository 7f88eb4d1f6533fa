"""Between a policy's questions and its token ids."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from smoothgates.errors import BadInput
from smoothgates.io.documents import load_json
from smoothgates.policy.tokenizer import ASSISTANT, CHAT_TEMPLATE, EOS, USER, load_tokenizer
from smoothgates.tasks.task import Prompt

Turn = Callable[[Prompt, str], str]
"""A prompt and a question → all that the policy reads before it writes."""


@dataclass(frozen=True)
class Text:
    """A policy's tokenizer, and how it is spoken to."""

    tokenizer: Tokenizer
    ends: tuple[int, ...]
    """Ids that end a completion."""
    turn: Turn
    template: str | None
    """Jinja text by which a chat is written. None: the policy continues plain text."""

    def prompts(self, prompt: Prompt, questions: list[str]) -> list[list[int]]:
        """Token ids of each question, put as the policy expects it."""
        texts = [self.turn(prompt, question) for question in questions]
        # A template writes the special tokens itself; before plain text the tokenizer may want its own.
        return [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=self.template is None)]


def compact_text(tokenizer: Tokenizer) -> Text:
    """Of the compact policy, which knows one turn only."""

    def turn(prompt: Prompt, question: str) -> str:
        return f"{USER}{prompt.in_one(question)}{ASSISTANT}{prompt.prefill}"

    return Text(tokenizer, (tokenizer.token_to_id(EOS),), turn, CHAT_TEMPLATE)


def published_text(folder: Path) -> Text:
    """Of a published model: its own chat template and end tokens. Raises BadInput."""
    from jinja2 import TemplateError
    from transformers import PreTrainedTokenizerFast  # AutoTokenizer may split texts otherwise than tokenizer.json says

    chat = PreTrainedTokenizerFast.from_pretrained(folder)

    def plain(prompt: Prompt, question: str) -> str:
        return prompt.in_one(question) + prompt.prefill

    def turn(prompt: Prompt, question: str) -> str:
        system = [{"role": "system", "content": prompt.system}] if prompt.system else []
        turns = [*system, {"role": "user", "content": prompt.ask(question)}]
        try:
            opened = chat.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise BadInput(f"{folder}: chat template: refuses {[each['role'] for each in turns]} ({error})") from None
        return opened + prompt.prefill

    template = chat.get_chat_template() if chat.chat_template else None
    return Text(load_tokenizer(folder), ends_of(folder), turn if template else plain, template)


def ends_of(folder: Path) -> tuple[int, ...]:
    """Ids that end a completion of a published model: those of its generation_config.json, else of its config.json."""
    for path in (folder / "generation_config.json", folder / "config.json"):
        found = load_json(path).get("eos_token_id") if path.exists() else None
        if found is not None:
            return tuple(found) if isinstance(found, list) else (found,)
    raise BadInput(f"{folder}: neither generation_config.json nor config.json has an eos_token_id")
