"""`snakemake` in this folder runs workflow/Snakefile."""

workflow.include("workflow/Snakefile", overwrite_default_target=True)  # as `include`, but its rule `all` is the default
