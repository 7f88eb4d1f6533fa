"""Examples of each task, and the passages that a policy may search."""


rule prepare:
    """The training examples of one task, and its benchmarks."""
    input:
        unpack(inputs("prepare")),
    output:
        **OUTPUTS["prepare"],
    log:
        f"{LOGS}/prepare/{{task}}.log",
    conda:
        conda("prepare")
    container:
        image("prepare")
    threads: 1
    params:
        **given("prepare"),
        origin=origin,
    shell:
        "python -m smoothgates prepare --spec {params.spec:q} --env {params.env} {params.origin} --out {output.manifest:q} >> {log:q} 2>&1"


rule index:
    """An index of passages."""
    input:
        unpack(inputs("index")),
    output:
        **OUTPUTS["index"],
    log:
        f"{LOGS}/index/{{index}}.log",
    conda:
        conda("index")
    container:
        image("index")
    threads: 1
    params:
        **given("index"),
    shell:
        "python -m smoothgates index --spec {params.spec:q} --env {params.env} --out {output.manifest:q} >> {log:q} 2>&1"
