"""RL runs, and the checks of their gates."""


rule check_gate:
    """Check the properties that a gate's file claims. Methods whose gate fails are not trained."""
    input:
        unpack(inputs("check_gate")),
    output:
        **reported("check_gate", "check", category="Gates", labels={"file": "check", "gate": "{gate}"}),
    log:
        f"{LOGS}/gates/{{gate}}.log",
    conda:
        conda("check_gate")
    container:
        image("check_gate")
    threads: 1
    params:
        **given("check_gate"),
    shell:
        "python -m smoothgates check-gate --spec {params.spec:q} --env {params.env} --out {output.check:q} >> {log:q} 2>&1"


rule train:
    """One run: a method in a regime with a seed. A stopped run resumes from its last checkpoint."""
    input:
        unpack(inputs("train")),
    output:
        **reported(
            "train",
            "model",
            category="Runs",
            subcategory="{task}",
            labels={"regime": "{regime}", "method": "{method}", "seed": "{seed}"},
        ),
    log:
        f"{LOGS}/train/{{task}}/{{regime}}/{{method}}/seed{{seed}}.log",
    wildcard_constraints:
        regime="|".join(STUDY.config.regimes),
    conda:
        conda("train")
    container:
        image("train")
    threads: 1
    params:
        **given("train"),
        index=option("--index", "index"),
        launch=launch,
        wall=time_limit,
    shell:
        "python -m smoothgates {params.launch} train --spec {params.spec:q} --env {params.env} --data {input.data:q} --policy {input.policy:q}"
        " --gate {input.gate:q} {params.index} {params.wall} --out {output.model:q} --metrics {output.metrics:q} >> {log:q} 2>&1"
