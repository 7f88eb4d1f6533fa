"""Prompts of the math task."""

from smoothgates.tasks.task import Prompt

PROMPTS = {
    "bare": Prompt(),
    # Qwen2.5-Math's system prompt (QwenLM/Qwen2.5-Math, evaluation).
    "boxed": Prompt(system=r"Please reason step by step, and put your final answer within \boxed{}."),
    # The format that 2602.19345 rewards. The paper does not print its prompt; this wording is ours.
    "think_answer": Prompt(
        system="Solve the problem. First think it through inside <think> and </think>, then give the final answer "
        "alone inside <answer> and </answer>: <think> reasoning </think> <answer> final answer </answer>."
    ),
}
