"""Snakemake as this project runs it: one for each study, with the causes of failures at the end."""
