"""The policy-gradient objective as pure tensor functions: ratio, gate, token weights, advantage, aggregation."""

from smoothgates.objective.advantage import group_advantages
from smoothgates.objective.aggregate import step_denominator
from smoothgates.objective.diagnostics import update_diagnostics
from smoothgates.objective.loss import policy_loss
from smoothgates.objective.sequences import sequence_diagnostics

__all__ = ["group_advantages", "policy_loss", "sequence_diagnostics", "step_denominator", "update_diagnostics"]
