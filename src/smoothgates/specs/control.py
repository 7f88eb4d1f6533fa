"""The name of the control, apart from the other fields: the analysis needs it, and knows nothing of tasks."""

CONTROL = "control"
"""Pseudo-regime of policies without RL: the warm start, and supervised training continued from it."""
