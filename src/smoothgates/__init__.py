"""smoothgates: do the gates that keep RL updates in bounds really help? A replication of four papers."""
