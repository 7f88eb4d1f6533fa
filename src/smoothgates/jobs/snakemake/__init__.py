"""What the Snakefile does beside its rules: one Snakemake at a time for a study, and causes where its output ends."""
