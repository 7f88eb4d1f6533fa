"""Policies without RL: the starting points of RL, trained or published, and the supervised control."""


rule warm_start:
    """The policy that every RL run of a seed starts from."""
    input:
        unpack(inputs("warm_start")),
    output:
        **OUTPUTS["warm_start"],
    log:
        f"{LOGS}/policy/{{task}}/seed{{seed}}.log",
    priority: 2
    conda:
        conda("warm_start")
    container:
        image("warm_start")
    threads: 1
    params:
        **given("warm_start"),
        start=option("--start", "start"),
        mirror=model_mirror,
    shell:
        "python -m smoothgates policy --spec {params.spec:q} --env {params.env} --data {input.data:q} {params.start} {params.mirror}"
        " --out {output.model:q} >> {log:q} 2>&1"


use rule warm_start as warm_start_moe with:
    input:
        unpack(inputs("warm_start_moe")),
    output:
        **OUTPUTS["warm_start_moe"],
    log:
        f"{LOGS}/train/{{task}}/{CONTROL}/warm_start_moe/seed{{seed}}.log",
    params:
        **given("warm_start_moe"),
        start=option("--start", "start"),
        mirror=model_mirror,


use rule warm_start as sft with:
    input:
        unpack(inputs("sft")),
    output:
        **OUTPUTS["sft"],
    log:
        f"{LOGS}/train/{{task}}/{CONTROL}/sft/seed{{seed}}.log",
    priority: 0
    params:
        **given("sft"),
        start=option("--start", "start"),
        mirror=model_mirror,
