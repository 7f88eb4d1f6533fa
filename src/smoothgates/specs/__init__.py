"""What each stage is told: one frozen record, passed as one canonical JSON string.

A spec holds everything scientific that its stage depends on and nothing else; it is what Snakemake compares to decide
whether a job must run again. Stages never read the study's config file.
"""
