"""Checkpoints against benchmarks."""
