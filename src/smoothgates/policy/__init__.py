"""Policies: a compact decoder, published models by transformers; tokenizers, folders, log-probabilities, experts."""
