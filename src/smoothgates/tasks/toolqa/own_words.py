"""What the policy wrote in a conversation with tools, for texts without their tokens."""

from smoothgates.tasks.tags import INFORMATION, without_blocks

TOOL_OUTPUT = (
    INFORMATION,  # Search-R1
    ("<|begin_of_documents|>", "<|end_of_documents|>"),  # R1-Searcher
)
"""Opening and closing tags of what tools write."""


def own_words(conversation: str) -> str:
    """The conversation without the output of tools.

    >>> own_words("<information><answer>Rome</answer></information><answer>Oslo</answer>")
    '<answer>Oslo</answer>'
    """
    for tags in TOOL_OUTPUT:
        conversation = without_blocks(conversation, *tags)
    return conversation
