"""Several processes for one stage: how they are started, and how they communicate."""
