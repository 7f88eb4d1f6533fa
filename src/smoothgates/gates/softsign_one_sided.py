"""The softsign gate, acting only on the side where the PPO clip acts."""

from smoothgates.gates import softsign
from smoothgates.gates.gate import one_sided

GATE = one_sided(softsign.GATE)
