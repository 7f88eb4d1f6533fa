"""The laptop policy's tokenizer: one id a word, one id a digit, and `decode(encode(x)) == x`.

Read and written as `tokenizer.json` by the `tokenizers` library; transformers' `PreTrainedTokenizerFast` loads the
same folder. Words come from the tasks themselves; the rest of the fixed vocabulary is reserved, so that a
new task's words do not change the policy's shape.
"""

import re
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

PAD, EOS, USER, ASSISTANT = "<pad>", "<eos>", "<user>", "<assistant>"
SPECIAL = [PAD, EOS, USER, ASSISTANT]
MARKERS = [r"\boxed{"]
"""Kept by `decode`, because verifiers read them; one token each, because the policy should not have to spell them."""

PATTERN = Regex(r" ?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]| ")


def build_tokenizer(texts: list[str], vocab_size: int) -> Tokenizer:
    """A tokenizer that knows every piece of `texts`; raises ValueError if they need more than `vocab_size` ids."""
    splitter = pre_tokenizers.Split(PATTERN, "isolated")
    markers = "|".join(map(re.escape, MARKERS))
    plain = {piece for text in texts for piece in re.split(markers, text)}
    words = sorted({word for piece in plain for word, _ in splitter.pre_tokenize_str(piece)})
    known = SPECIAL + MARKERS + words
    if len(known) > vocab_size:
        raise ValueError(f"the task's texts need {len(known)} tokens, the policy has room for {vocab_size}")
    reserved = [f"<reserved{i}>" for i in range(vocab_size - len(known))]
    vocabulary = {word: i for i, word in enumerate(known + reserved)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in MARKERS])
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def prompt_ids(tokenizer: Tokenizer, questions: list[str]) -> list[list[int]]:
    """`<user>` question `<assistant>`: the chat template of the laptop policy, as token ids."""
    return [e.ids for e in tokenizer.encode_batch([f"{USER}{question}{ASSISTANT}" for question in questions])]
