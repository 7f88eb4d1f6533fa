"""Problems of each task."""


rule prepare:
    """Training and held-out problems of one task."""
    input:
        code=code_of("prepare"),
    output:
        f"results/{NAME}/data/{{task}}/manifest.json",
    log:
        f"logs/{NAME}/prepare/{{task}}.log",
    conda:
        "../../envs/smoothgates.yaml"
    params:
        spec=prepare_spec,
        env=ENV,
    shell:
        "python -m smoothgates prepare --spec {params.spec:q} --out {output} >> {log} 2>&1"
