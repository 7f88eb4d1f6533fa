"""The text interface of a policy: from a task's prompts to the token ids that the policy reads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from smoothgates.errors import BadInput
from smoothgates.io.documents import load_json
from smoothgates.policy.tokenizer import ASSISTANT, EOS, USER, load_tokenizer
from smoothgates.tasks.task import Prompt

if TYPE_CHECKING:
    from jinja2 import Template

Message = dict[str, str]
"""A chat message: role and content."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'system' %}"
    + USER
    + "{{ message.content }}\n{% elif message.role == 'user' %}"
    + "{% if loop.first or loop.previtem.role != 'system' %}"
    + USER
    + "{% endif %}{{ message.content }}"
    + ASSISTANT
    + "{% else %}{{ message.content }}"
    + EOS
    + "{% endif %}{% endfor %}"
)
"""Jinja template of the compact policies: `<user>` system message, question `<assistant>`."""
STAND_IN_TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'system' %}{{ message.content }}\n"
    + "{% elif message.role == 'user' %}"
    + USER
    + "{{ message.content }}{% else %}"
    + ASSISTANT
    + "{{ message.content }}"
    + EOS
    + "{% endif %}{% endfor %}{% if add_generation_prompt %}"
    + ASSISTANT
    + "{% endif %}"
)
"""Jinja template of a published model's stand-in, with a system message and a generation prompt like theirs."""


@dataclass(frozen=True)
class Text:
    """A policy's tokenizer, and the format of its prompts."""

    tokenizer: Tokenizer
    ends: tuple[int, ...]
    """Token ids that end a completion."""
    render: Callable[[Prompt, str], str]
    """From a prompt and a question to the text that the policy continues."""
    template: str | None
    """Jinja chat template. None: the policy has none and continues plain text."""

    def prompts(self, prompt: Prompt, questions: list[str]) -> list[list[int]]:
        """Token ids of the prompt for each question."""
        texts = [self.render(prompt, question) for question in questions]
        # A template writes the special tokens itself; before plain text the tokenizer may add its own.
        return [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=self.template is None)]


def compact_text(tokenizer: Tokenizer) -> Text:
    """The text interface of a compact policy."""

    def render(prompt: Prompt, question: str) -> str:
        return compact_template().render(messages=messages_of(prompt, question)) + prompt.prefill

    return Text(tokenizer, (tokenizer.token_to_id(EOS),), render, CHAT_TEMPLATE)


@cache
def compact_template() -> "Template":
    """`CHAT_TEMPLATE`, compiled with the options of transformers, which renders it for whoever loads the folder."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(CHAT_TEMPLATE)


def published_text(folder: Path) -> Text:
    """The text interface of a published model: its own chat template and end tokens.

    Raises BadInput if the folder names no end token; rendering raises it if the template refuses the messages.
    """
    from jinja2 import TemplateError
    from transformers import PreTrainedTokenizerFast  # AutoTokenizer may split texts differently from tokenizer.json

    chat = PreTrainedTokenizerFast.from_pretrained(folder)

    def render_plain(prompt: Prompt, question: str) -> str:
        return prompt.in_one(question) + prompt.prefill

    def render_chat(prompt: Prompt, question: str) -> str:
        messages = messages_of(prompt, question)
        try:
            opened = chat.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            roles = [message["role"] for message in messages]
            raise BadInput(f"{folder}: chat template: refuses {roles} ({error})") from None
        return opened + prompt.prefill

    template = chat.get_chat_template() if chat.chat_template else None
    return Text(load_tokenizer(folder), end_ids(folder), render_chat if template else render_plain, template)


def messages_of(prompt: Prompt, question: str) -> list[Message]:
    """The chat that asks a question: a system message if the prompt has one, and the user's message."""
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    return [*system, {"role": "user", "content": prompt.ask(question)}]


def end_ids(folder: Path) -> tuple[int, ...]:
    """Token ids that end a completion of a published model, from generation_config.json, else from config.json."""
    for path in (folder / "generation_config.json", folder / "config.json"):
        found = load_json(path).get("eos_token_id") if path.exists() else None
        if found is not None:
            return tuple(found) if isinstance(found, list) else (found,)
    raise BadInput(f"{folder}: neither generation_config.json nor config.json has an eos_token_id")
