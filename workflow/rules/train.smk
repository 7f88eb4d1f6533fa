"""RL runs, and what they wait for."""


rule check_gate:
    """Is a gate what its file says? Otherwise nothing is trained with it."""
    input:
        code=CODE.format("check_gate/{gate}"),
    output:
        PATHS.gate_check,
    log:
        f"{PATHS.logs}/gates/{{gate}}.log",
    conda:
        conda("check_gate")
    container:
        image("check_gate")
    params:
        spec=check_gate_spec,
        env=locked("check_gate"),
    shell:
        "python -m smoothgates check-gate --spec {params.spec:q} --out {output:q} >> {log:q} 2>&1"


rule train:
    """One run: a method in a regime with a seed. Stopped, it goes on from its last checkpoint."""
    input:
        data=PATHS.data,
        policy=start_of,
        gate=check_of,
        index=index_of if STUDY.config.indexes else [],
        code=CODE.format("train/{task}/{method}"),
    output:
        model=PATHS.model,
        metrics=PATHS.metrics,
    log:
        f"{PATHS.logs}/train/{{task}}/{{regime}}/{{method}}/seed{{seed}}.log",
    wildcard_constraints:
        regime="|".join(STUDY.config.regimes),
    conda:
        conda("train")
    container:
        image("train")
    params:
        spec=train_spec,
        index=index_flags,
        launch=launch_flag,
        wall=wall_flag,
        env=locked("train"),
    shell:
        "python -m smoothgates {params.launch} train --spec {params.spec:q} --data {input.data:q} --policy {input.policy:q}"
        " --gate {input.gate:q} {params.index} {params.wall} --out {output.model:q} --metrics {output.metrics:q} >> {log:q} 2>&1"
