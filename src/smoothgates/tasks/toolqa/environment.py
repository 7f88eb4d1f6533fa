"""The search tool: replies to `<search>…</search>`, and the end of a conversation."""

from dataclasses import dataclass

from smoothgates.tasks.tags import ANSWER, INFORMATION, SEARCH, last_block
from smoothgates.tasks.task import Search, ToolCall

NOTHING = " no result."
INVALID = " no query."


@dataclass(frozen=True)
class SearchEnvironment:
    """A turn ends with `</search>`, which gets a reply, or with `</answer>`, which ends the conversation.

    The query is the text after the turn's last `<search>`. A turn without a query gets the reply `no query.`, and a
    search that finds nothing `no result.` A search after `max_replies` replies ends the conversation without an answer.
    """

    search: Search
    max_replies: int
    stops: tuple[str, ...] = (SEARCH[1], ANSWER[1])
    frame: tuple[str, str] = INFORMATION

    def respond(self, turns: list[ToolCall]) -> list[str | None]:
        """
        >>> from smoothgates.tasks.task import Example
        >>> nothing = SearchEnvironment(lambda asked: ["" for _ in asked], max_replies=1)
        >>> example = Example("", "", ("x",))
        >>> nothing.respond([(example, "<search> a</search>", 0), (example, "a</search>", 0)])
        [' no result.', ' no query.']
        >>> nothing.respond([(example, "<search> a</search>", 1), (example, "<answer> a</answer>", 0)])
        [None, None]
        """
        continues = [turn.endswith(SEARCH[1]) and replies < self.max_replies for _, turn, replies in turns]
        queries = [(last_block(turn, *SEARCH) or "").strip() for _, turn, _ in turns]
        asked = [i for i, query in enumerate(queries) if query and continues[i]]
        found = dict(zip(asked, self.search([(turns[i][0], queries[i]) for i in asked]), strict=True)) if asked else {}
        return [(found.get(i, INVALID) or NOTHING) if continues[i] else None for i in range(len(turns))]
