"""Tool-augmented question answering: search, read, answer."""

from smoothgates.tasks.task import Task
from smoothgates.tasks.toolqa.catalogue import SOURCES
from smoothgates.tasks.toolqa.families import FAMILIES
from smoothgates.tasks.toolqa.own_words import own_words
from smoothgates.tasks.toolqa.prompts import PROMPTS
from smoothgates.tasks.toolqa.search import search_tool

TASK = Task(
    name="toolqa",
    prompts=PROMPTS,
    generators={"families": FAMILIES},
    sources=SOURCES,
    environment=search_tool,
    own_words=own_words,
)
