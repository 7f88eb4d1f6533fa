"""The arctan gate, acting only on the side where the PPO clip acts."""

from smoothgates.gates import arctan
from smoothgates.gates.gate import one_sided

GATE = one_sided(arctan.GATE)
