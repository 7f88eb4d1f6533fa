"""Scores: one job serves all seeds of a method in a regime, because starting up costs more than evaluating."""


rule evaluate:
    """One benchmark over every kept checkpoint of a method's runs."""
    input:
        unpack(inputs("evaluate")),
    output:
        **reported(
            "evaluate",
            "scores",
            category="Scores",
            subcategory="{task}",
            labels={"benchmark": "{benchmark}", "regime": "{regime}", "method": "{method}"},
        ),
    log:
        f"{LOGS}/evaluate/{{task}}/{{regime}}/{{method}}/{{benchmark}}.log",
    conda:
        conda("evaluate")
    container:
        image("evaluate")
    threads: 1
    params:
        **given("evaluate"),
        models=option("--model", "models"),
        outs=option("--out", "scores"),
        index=option("--index", "index"),
    shell:
        "python -m smoothgates evaluate --spec {params.spec:q} --env {params.env} --data {input.data:q} {params.index} {params.models} {params.outs}"
        " >> {log:q} 2>&1"
