"""Prompts of the tool QA task."""

from smoothgates.tasks.task import Prompt

SEARCH_R1 = (
    "Answer the given question. You must conduct reasoning inside <think> and </think> first every time you get new "
    "information. After reasoning, if you find you lack some knowledge, you can call a search engine by <search> query "
    "</search> and it will return the top searched results between <information> and </information>. You can search as "
    "many times as your want. If you find no further external knowledge needed, you can directly provide the answer "
    "inside <answer> and </answer>, without detailed illustrations. For example, <answer> Beijing </answer>. "
    "Question: {question}\n"
)
"""Verbatim from example/case.txt of PeterGriffinJin/Search-R1."""

PROMPTS = {"bare": Prompt(), "search_r1": Prompt(SEARCH_R1)}
