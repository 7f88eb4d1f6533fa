"""What the Snakefile does beside its rules: one Snakemake at a time for a study, and the causes of failures at its end."""
