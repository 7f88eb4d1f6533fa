"""smoothgates: do the gates that keep RL updates in bounds really help? A replication of four papers."""

__version__ = "0.1.0"
