"""Names of policies without RL. In a separate module, so that the analysis does not depend on the tasks."""

from typing import Literal, get_args

CONTROL = "control"
"""Pseudo-regime of policies without RL: the warm starts, and supervised training continued from one."""

PolicyName = Literal["warm_start", "warm_start_moe", "sft"]
"""Each names a rule, and a method in tables."""

POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)
WARM_START, WARM_START_MOE, SFT = POLICIES
