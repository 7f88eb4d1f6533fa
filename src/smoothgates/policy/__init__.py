"""Policies: a compact decoder, and published models run by transformers; tokenizers, folders, log-probabilities."""
