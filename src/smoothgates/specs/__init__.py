"""Specs: the parameters of each stage, one file per stage and one for each part that several stages share.

A spec is a frozen record that is passed to its stage as one canonical JSON string. It holds every scientific parameter
of the result and nothing else, and Snakemake compares it to decide whether a job must run again. Stages never read the
study's config file. What only one stage uses stays in that stage's file: a change to it reruns that stage alone.
"""
