"""Run a study on a SLURM cluster: start Snakemake with safe options, watch it, and leave no jobs behind."""
