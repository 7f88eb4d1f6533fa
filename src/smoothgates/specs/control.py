"""Names of the policies without RL: the warm starts, and supervised training continued."""

from typing import Literal, get_args

CONTROL = "control"
"""The pseudo-regime of these policies."""

PolicyName = Literal["warm_start", "warm_start_moe", "sft"]
"""Each is the name of a rule, and of a method in tables."""

POLICIES = WARM_START, WARM_START_MOE, SFT = get_args(PolicyName)
