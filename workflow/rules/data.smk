"""Examples of each task, and what a policy may search."""


rule prepare:
    """What one task trains on, and its benchmarks."""
    input:
        code=CODE.format("prepare/{task}"),
        public=public_files,
    output:
        PATHS.data,
    log:
        f"{PATHS.logs}/prepare/{{task}}.log",
    conda:
        conda("prepare")
    container:
        image("prepare")
    params:
        spec=prepare_spec,
        origin=origin_flag,
        env=locked("prepare"),
    shell:
        "python -m smoothgates prepare --spec {params.spec:q} {params.origin} --out {output:q} >> {log:q} 2>&1"


rule index:
    """An index of passages."""
    input:
        code=code("index", "index"),
        corpus=corpus_files,
    output:
        PATHS.index,
    log:
        f"{PATHS.logs}/index/{{name}}.log",
    conda:
        conda("index")
    container:
        image("index")
    params:
        spec=index_spec,
        env=locked("index"),
    shell:
        "python -m smoothgates index --spec {params.spec:q} --out {output:q} >> {log:q} 2>&1"
