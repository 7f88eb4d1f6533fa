"""Compact policies with random weights, and the tokenizers that fit their task."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from smoothgates.policy.decoder import Decoder
from smoothgates.policy.tokenizer import Kind, build_tokenizer
from smoothgates.seeds import torch_stream
from smoothgates.specs.architecture import Architecture
from smoothgates.specs.policy import PolicySpec
from smoothgates.tasks import load_task
from smoothgates.tasks.task import Example, Generator

TOKENIZER_EXAMPLES = 3000
"""Training examples that a tokenizer is built from: the first of the list."""


def random_policy(
    spec: PolicySpec, generator: Generator | None, examples: Sequence[Example]
) -> tuple[Decoder, Tokenizer]:
    """The policy of a spec before its first update.

    Its tokenizer knows the words of the questions, and of the generator's demonstrations where it has some. Raises
    BadInput if the vocabulary is too small for them.
    """
    chosen = examples[:TOKENIZER_EXAMPLES]
    texts = [example.question for example in chosen]
    if generator and generator.careful:
        texts += [*generator.replies, *(text for example in chosen for text, _ in generator.careful(example))]
    return _initialised(spec, spec.architecture, texts, spec.tokenizer)


def stand_in_policy(spec: PolicySpec, examples: Sequence[Example]) -> tuple[Decoder, Tokenizer]:
    """A small policy in place of a published model, for rehearsals. It spells the questions in bytes."""
    texts = [example.question for example in examples[:TOKENIZER_EXAMPLES]]
    return _initialised(spec, spec.model.stand_in, texts, "bytes")


def _initialised(spec: PolicySpec, arch: Architecture, texts: list[str], kind: Kind) -> tuple[Decoder, Tokenizer]:
    tokenizer = build_tokenizer(texts, arch.vocab_size, kind, load_task(spec.task).markers)
    return Decoder(arch).initialise(torch_stream(spec.seed, "initialise")), tokenizer
