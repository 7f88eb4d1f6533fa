"""Names of policies without RL, apart from the other fields: the analysis needs them, and knows nothing of tasks."""

from typing import Literal, get_args

CONTROL = "control"
"""Pseudo-regime of policies without RL: the warm starts, and supervised training continued from one."""

PolicyName = Literal["warm_start", "warm_start_moe", "sft"]
"""Each is the name of a rule, and of a method in tables."""

POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)
WARM_START, WARM_START_MOE, SFT = POLICIES
