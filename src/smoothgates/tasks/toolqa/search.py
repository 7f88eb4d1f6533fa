"""Searches: of the facts of a generated example, or of the passages of an index."""

from pathlib import Path

from smoothgates.tasks.task import Example, Search
from smoothgates.tasks.toolqa.environment import SearchEnvironment
from smoothgates.tasks.toolqa.families import lookup


def search_tool(max_searches: int, top: int, index: Path | None) -> SearchEnvironment:
    """Return a tool that replies to at most `max_searches` searches.

    Args:
        max_searches: number of replies in a conversation.
        top: passages in a reply.
        index: manifest of the index to search; None searches the facts of each example.
    """
    return SearchEnvironment(worlds if index is None else passages(index, top), max_searches)


def worlds(asked: list[tuple[Example, str]]) -> list[str]:
    """Search the worlds of the examples."""
    return [lookup(example, query) for example, query in asked]


def passages(manifest: Path, top: int) -> Search:
    """Return a search of an index that gives the text of the best passages."""
    from smoothgates.retrieval.index import open_index
    from smoothgates.retrieval.passages import render

    index = open_index(manifest)
    return lambda asked: [render(found) for found in index.search([query for _, query in asked], top)]
