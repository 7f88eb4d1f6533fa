"""What a rule of a job on two nodes looks like."""


rule probe:
    """Two processes that meet."""
    output:
        "probed.txt",
    resources:
        nodes=2,
        tasks=2,
        mpi="srun",
        runtime=5,
        mem_mb=1000,
    shell:
        "python -m smoothgates launch --nodes {resources.nodes} -- probe > {output}"
