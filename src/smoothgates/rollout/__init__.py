"""Rollouts: completions sampled from a policy."""
