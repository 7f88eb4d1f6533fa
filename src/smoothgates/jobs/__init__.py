"""The jobs of a study, and Snakemake, which runs them."""
