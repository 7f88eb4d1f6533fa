"""Scores: one job serves all seeds of a method in a regime, because starting up costs more than evaluating."""


rule evaluate:
    """One benchmark over every kept checkpoint of a method's runs."""
    input:
        data=PATHS.data,
        models=models,
        index=index_of if STUDY.config.indexes else [],
        code=CODE.format("evaluate/{task}"),
    output:
        scores=expand(PATHS.scores, seed=SEEDS, allow_missing=True),
    log:
        f"{PATHS.logs}/evaluate/{{task}}/{{regime}}/{{method}}/{{benchmark}}.log",
    conda:
        conda("evaluate")
    container:
        image("evaluate")
    params:
        spec=evaluate_spec,
        models=model_flags,
        outs=out_flags,
        index=index_flags,
        env=locked("evaluate"),
    shell:
        "python -m smoothgates evaluate --spec {params.spec:q} --data {input.data:q} {params.index} {params.models} {params.outs}"
        " >> {log:q} 2>&1"
