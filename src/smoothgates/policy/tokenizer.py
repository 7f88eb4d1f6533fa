"""The compact policy's tokenizer; whichever kind, `decode(encode(x)) == x` for every text it knows.

`words`: one id a word, one a digit. Words come from the task's own texts; the rest of the fixed vocabulary is reserved,
so that a new word does not change the policy's shape. `bytes`: byte-level BPE trained on the texts, which can spell any
text: for public data. Read and written as `tokenizer.json` by the `tokenizers` library.

transformers' AutoTokenizer makes Qwen2's own tokenizer of any folder whose model is a Qwen2, whatever class the folder
names: a byte-level BPE that takes vocabulary, merges and added tokens from the files, and splits as Qwen2 does. So
`bytes` splits like that, and `words` are listed once more, as tokens that are found before anything is split.
"""

import json
import re
from pathlib import Path
from typing import Any, Literal

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from smoothgates.errors import BadInput
from smoothgates.tasks.tags import ANSWER, BOXED, INFORMATION, SEARCH, THINK

PAD, EOS, USER, ASSISTANT = "<pad>", "<eos>", "<user>", "<assistant>"
SPECIAL = [PAD, EOS, USER, ASSISTANT]
MARKERS = [BOXED[0], *THINK, *SEARCH, *INFORMATION, *ANSWER]
"""Kept by `decode`, because verifiers read them; one token each, because the policy should not have to spell them."""

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
"""Of the compact policy, for those who load it elsewhere. It knows one turn only: what the system says begins it."""
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
"""Of a published model's stand-in: with a turn of the system's, and a prompt for the answer, as such models have."""

WORDS = Regex(r" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]| ")

QWEN2 = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

Kind = Literal["words", "bytes"]


def build_tokenizer(texts: list[str], vocab_size: int, kind: Kind = "words") -> Tokenizer:
    """A tokenizer for these texts; raises BadInput if they need more than `vocab_size` ids."""
    markers = "|".join(map(re.escape, MARKERS))
    plain = sorted({piece for text in texts for piece in re.split(markers, text)})
    tokenizer = _words(plain, vocab_size) if kind == "words" else _bytes(plain, vocab_size)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in MARKERS])
    return tokenizer


def _words(texts: list[str], vocab_size: int) -> Tokenizer:
    splitter = pre_tokenizers.Split(WORDS, "isolated")
    words = sorted({word for text in texts for word, _ in splitter.pre_tokenize_str(text)})
    known = SPECIAL + MARKERS + words
    if len(known) > vocab_size:
        raise BadInput(f"architecture.vocab_size: {vocab_size} is too few, the task's texts need {len(known)}")
    tokenizer = Tokenizer(models.WordLevel(_filled({word: i for i, word in enumerate(known)}, vocab_size)))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _bytes(texts: list[str], vocab_size: int) -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    fixed = SPECIAL + MARKERS
    if vocab_size < len(fixed) + len(alphabet):
        raise BadInput(f"architecture.vocab_size: {vocab_size} is too few, bytes need {len(fixed) + len(alphabet)}")
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
    # Built anew from what was learnt, because the trainer makes the markers special, and `decode` would drop them.
    model = json.loads(learner.to_str())["model"]
    tokenizer = Tokenizer(models.BPE(_filled(model["vocab"], vocab_size), [tuple(pair) for pair in model["merges"]]))
    tokenizer.pre_tokenizer = learner.pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _filled(vocabulary: dict[str, int], size: int) -> dict[str, int]:
    """The vocabulary with reserved entries up to `size`, so that the policy's every id is a token."""
    return vocabulary | {f"<reserved{i}>": i for i in range(len(vocabulary), size)}


def settings_of(tokenizer: Tokenizer, template: str) -> dict[str, Any]:
    """tokenizer_config.json: what transformers wants to know beside tokenizer.json."""
    found = {str(i): token for i, token in tokenizer.get_added_tokens_decoder().items()}
    if isinstance(tokenizer.model, models.WordLevel):
        words = sorted((i, word) for word, i in tokenizer.get_vocab().items() if str(i) not in found)
        found |= {str(i): AddedToken(word, normalized=False, special=False) for i, word in words}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": EOS,
        "pad_token": PAD,
        "unk_token": None,
        "added_tokens_decoder": {i: described(token) for i, token in found.items()},
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
    }


def described(token: AddedToken) -> dict[str, str | bool]:
    """As JSON has it."""
    keys = ("content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {key: getattr(token, key) for key in keys}


def load_tokenizer(folder: Path) -> Tokenizer:
    """A folder's tokenizer; whatever limit or padding its file may hold is not ours."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def prompt_ids(tokenizer: Tokenizer, questions: list[str], prefill: str = "") -> list[list[int]]:
    """`<user>` question `<assistant>`: the chat template of the compact policy, as token ids."""
    return [e.ids for e in tokenizer.encode_batch([f"{USER}{question}{ASSISTANT}{prefill}" for question in questions])]
