"""The erf gate, acting only on the side where the PPO clip acts."""

from smoothgates.gates import erf
from smoothgates.gates.gate import one_sided

GATE = one_sided(erf.GATE)
