"""Tokenizers of the compact policies: built from a task's texts, read and written as `tokenizer.json`.

For either kind, `decode(encode(x)) == x` for every text that it can encode. `words`: one id for each word, one for each
digit. The words come from the task's texts; the rest of the fixed vocabulary is reserved, so that a new word does not
change the policy's shape. `bytes`: byte-level BPE trained on the texts. It encodes any text, and is meant for public
data.

transformers' AutoTokenizer makes a Qwen2 tokenizer of any folder whose model is a Qwen2, whatever class the folder
names: a byte-level BPE that takes vocabulary, merges and added tokens from the files, and splits as Qwen2 does. So
`bytes` splits the same way, and `words` are also listed as added tokens, which are matched before the text is split.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from smoothgates.errors import BadInput
from smoothgates.tasks.tags import MARKERS

PAD, EOS, USER, ASSISTANT = "<pad>", "<eos>", "<user>", "<assistant>"
SPECIAL = (PAD, EOS, USER, ASSISTANT)
"""The first ids of every vocabulary. `decode` drops them."""

WORDS = Regex(r" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]| ")

QWEN2 = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

Kind = Literal["words", "bytes"]


def build_tokenizer(
    texts: list[str], vocab_size: int, kind: Kind = "words", markers: Sequence[str] = MARKERS
) -> Tokenizer:
    """A tokenizer for these texts, with one id for each marker, which `decode` keeps.

    Raises BadInput if the texts need more than `vocab_size` ids.
    """
    pattern = "|".join(map(re.escape, markers))
    plain = sorted({piece for text in texts for piece in re.split(pattern, text)})
    build = _words if kind == "words" else _bytes
    tokenizer = build(plain, vocab_size, [*SPECIAL, *markers])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in markers])
    return tokenizer


def _words(texts: list[str], vocab_size: int, fixed: list[str]) -> Tokenizer:
    splitter = pre_tokenizers.Split(WORDS, "isolated")
    words = sorted({word for text in texts for word, _ in splitter.pre_tokenize_str(text)})
    known = fixed + words
    if len(known) > vocab_size:
        raise BadInput(
            f"architecture.vocab_size: expected at least {len(known)} for the task's texts, got {vocab_size}"
        )
    tokenizer = Tokenizer(models.WordLevel(_filled({word: i for i, word in enumerate(known)}, vocab_size)))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _bytes(texts: list[str], vocab_size: int, fixed: list[str]) -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < (least := len(fixed) + len(alphabet)):
        raise BadInput(f"architecture.vocab_size: expected at least {least} for bytes, got {vocab_size}")
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(QWEN2, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size, special_tokens=fixed, initial_alphabet=alphabet, show_progress=False
        ),
    )
    # Rebuilt from the learnt model: the trainer makes the markers special, and `decode` would drop them.
    model = json.loads(learner.to_str())["model"]
    tokenizer = Tokenizer(models.BPE(_filled(model["vocab"], vocab_size), [tuple(pair) for pair in model["merges"]]))
    tokenizer.pre_tokenizer = learner.pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _filled(vocabulary: dict[str, int], size: int) -> dict[str, int]:
    """The vocabulary with reserved entries up to `size`, so that every id of the policy is a token."""
    return vocabulary | {f"<reserved{i}>": i for i in range(len(vocabulary), size)}


def tokenizer_config(tokenizer: Tokenizer, template: str) -> dict[str, Any]:
    """tokenizer_config.json, which transformers reads beside tokenizer.json."""
    found = {str(i): token for i, token in tokenizer.get_added_tokens_decoder().items()}
    if isinstance(tokenizer.model, models.WordLevel):
        words = sorted((i, word) for word, i in tokenizer.get_vocab().items() if str(i) not in found)
        found |= {str(i): AddedToken(word, normalized=False, special=False) for i, word in words}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": EOS,
        "pad_token": PAD,
        "unk_token": None,
        "added_tokens_decoder": {i: _as_json(token) for i, token in found.items()},
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
    }


def _as_json(token: AddedToken) -> dict[str, str | bool]:
    """A token as JSON."""
    keys = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {key: getattr(token, key) for key in keys}


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a folder, without the truncation and padding that its file may ask for."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
