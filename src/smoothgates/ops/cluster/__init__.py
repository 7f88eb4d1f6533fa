"""A study on a SLURM cluster: start Snakemake with the safe options, watch it, leave nothing behind."""
