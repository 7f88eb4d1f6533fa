"""Open a policy folder: an ordinary Hugging Face folder becomes a policy and the text interface to it."""

from pathlib import Path

from smoothgates.io.documents import load_json
from smoothgates.policy.config import architecture_of
from smoothgates.policy.decoder import Decoder
from smoothgates.policy.policy import Policy
from smoothgates.policy.text import Text, compact_text, published_text
from smoothgates.policy.tokenizer import load_tokenizer
from smoothgates.policy.weights import load_weights

HEAD = "lm_head.weight"


def load_policy(folder: Path, published: bool = False, dtype: str = "float32") -> tuple[Policy, Text]:
    """The policy of a folder and its text interface.

    `published`: transformers runs the policy, with weights of `dtype`. Otherwise it is a compact decoder in single
    precision. Raises BadInput if the folder holds another kind of model.
    """
    if published:
        from smoothgates.policy.transformer import load_transformer

        return load_transformer(folder, dtype), load_text(folder, published)
    return load_decoder(folder), load_text(folder)


def load_text(folder: Path, published: bool = False) -> Text:
    """The text interface of a folder's policy, without the policy."""
    return published_text(folder) if published else compact_text(load_tokenizer(folder))


def load_decoder(folder: Path) -> Decoder:
    """The compact decoder of a folder. Raises BadInput if the folder holds another kind of model."""
    config = load_json(folder / "config.json")
    policy = Decoder(architecture_of(config, str(folder)), config.get("tie_word_embeddings", False))
    update_decoder(policy, folder)
    return policy


def update_decoder(policy: Decoder, folder: Path) -> None:
    """Replace a decoder's weights by those of a folder with the same architecture."""
    weights = load_weights(folder)
    if policy.lm_head is None:
        weights.pop(HEAD, None)  # some models store a tied matrix twice
    policy.load_state_dict(weights)
