"""Evaluates checkpoints on benchmarks."""
