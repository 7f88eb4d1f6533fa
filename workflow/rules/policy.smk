"""Where RL starts: supervised policies or published ones; and the control without RL."""


rule warm_start:
    """The policy that every RL run of a seed starts from."""
    input:
        data=PATHS.data,
        code=CODE.format("policy/{task}"),
    output:
        PATHS.warm_start,
    log:
        f"{PATHS.logs}/policy/{{task}}/seed{{seed}}.log",
    priority: 2
    conda:
        conda("policy")
    container:
        image("policy")
    params:
        spec=warm_start_spec,
        mirror=f"--mirror {shlex.quote(STUDY.config.model_mirror)}" if STUDY.config.model_mirror else "",
        env=locked("policy"),
    shell:
        "python -m smoothgates policy --spec {params.spec:q} --data {input.data:q} {params.mirror} --out {output:q}"
        " >> {log:q} 2>&1"


rule warm_start_moe:
    """The same with experts."""
    input:
        data=PATHS.data,
        code=CODE.format("policy/{task}"),
    output:
        f"{PATHS.results}/train/{{task}}/{CONTROL}/warm_start_moe/seed{{seed}}/model.json",
    log:
        f"{PATHS.logs}/train/{{task}}/{CONTROL}/warm_start_moe/seed{{seed}}.log",
    priority: 2
    conda:
        conda("policy")
    container:
        image("policy")
    params:
        spec=warm_start_moe_spec,
        env=locked("policy"),
    shell:
        "python -m smoothgates policy --spec {params.spec:q} --data {input.data:q} --out {output:q} >> {log:q} 2>&1"


rule sft:
    """The control: supervised training continued, without RL."""
    input:
        data=PATHS.data,
        start=PATHS.warm_start,
        code=CODE.format("policy/{task}"),
    output:
        f"{PATHS.results}/train/{{task}}/{CONTROL}/sft/seed{{seed}}/model.json",
    log:
        f"{PATHS.logs}/train/{{task}}/{CONTROL}/sft/seed{{seed}}.log",
    conda:
        conda("policy")
    container:
        image("policy")
    params:
        spec=sft_spec,
        env=locked("policy"),
    shell:
        "python -m smoothgates policy --spec {params.spec:q} --data {input.data:q} --start {input.start:q} --out {output:q}"
        " >> {log:q} 2>&1"
