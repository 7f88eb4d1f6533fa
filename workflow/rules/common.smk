"""Shared by all rules. The study and its jobs, from which the rules take inputs, outputs and parameters."""

import gc
import shlex
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

# A DAG is millions of objects that live to the end. By default Python looks through them for garbage again and again.
gc.set_threshold(100_000)

CHECKOUT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]

if set("{}:") & set(str(CHECKOUT)):
    # Braces are wildcards to Snakemake, and a colon separates the folders of PYTHONPATH.
    print(f"error: {CHECKOUT}: expected a folder without braces and colons in its path", file=sys.stderr)
    sys.exit(2)

package = find_spec("smoothgates")
if package is None or Path(package.origin).resolve().parents[1] != CHECKOUT / "src":
    # Jobs run this checkout's code, so the DAG must come from the same code.
    print(
        f"error: smoothgates: expected the package of {CHECKOUT}/src, found {package.origin if package else 'none'}:"
        " run `pip install --no-deps --no-build-isolation -e .` there, or set PYTHONPATH to that folder",
        file=sys.stderr,
    )
    sys.exit(2)

from smoothgates.errors import BadInput
from smoothgates.jobs.snakemake.rounds import plan_one_at_a_time
from smoothgates.jobs.snakemake.run import refuse, watched
from smoothgates.provenance.code_closure import code_digest
from smoothgates.provenance.environments import environment_of, lock_digest

try:
    # A user may have added a file to gates/ that defines no gate.
    from smoothgates.jobs.dag import Jobs, stage_of
    from smoothgates.specs.control import CONTROL, POLICIES
    from smoothgates.study.ownership import mark, own_study

    STUDY = own_study(config.get("study", "laptop"))
    JOBS = Jobs(STUDY)
except BadInput as error:
    refuse(str(error))


def expected_seconds(rule, wildcards):
    """What a job takes by the cost model of `plan`. Only the bar on a terminal asks, so the model is imported here."""
    from smoothgates.ops.plan.plan import expected

    return expected(STUDY)(JOBS.of(rule, wildcards)) if rule in JOBS.outputs else 0.0


if workflow.is_main_process:
    workflow.execute = watched(workflow, STUDY.name, STUDY.config.device, expected_seconds)
    plan_one_at_a_time()

LOGS, OUTPUTS, TASKS = JOBS.paths.logs, JOBS.outputs, STUDY.config.tasks

# A prefix is no part of a rule's code, so a moved checkout triggers nothing. `exec`: signals reach the stage itself.
shell.prefix(f"export PYTHONPATH={shlex.quote(str(CHECKOUT))}/src; exec ")


onstart:
    mark(STUDY)


wildcard_constraints:
    task="|".join(TASKS),
    regime="|".join([*STUDY.config.regimes, CONTROL]),
    method="|".join([*STUDY.methods, *POLICIES]),
    gate="|".join(JOBS.used_gates),
    benchmark="|".join({name for task in TASKS.values() for name in task.evaluation}),
    index="|".join(STUDY.config.indexes),
    seed=r"\d+",


# Snakemake asks for the inputs of all jobs, and later for the parameters of one job after the other.
@lru_cache(maxsize=64)
def _job(rule, wildcards):
    return JOBS.of(rule, dict(wildcards))


def job(rule, wildcards):
    """The job of a rule with these wildcards, from `smoothgates.jobs.dag`."""
    return _job(rule, tuple(wildcards.items()))


def inputs(rule):
    """Named inputs of each job of a rule."""
    return lambda wildcards: job(rule, wildcards).inputs


def given(rule):
    """Parameters of every rule: the spec of the stage, and digests of its code and environment.

    Snakemake reruns a job when one of them changes. The digests do not depend on the location of the checkout.
    """

    def code(wildcards):
        made = job(rule, wildcards)
        return code_digest(made.stage, made.parts)

    return {
        "spec": lambda wildcards: job(rule, wildcards).spec.canonical(),
        "code": code,
        "env": lambda wildcards: environment(rule),
        "lock": lock_digest(environment(rule)),
    }


def environment(rule):
    """Name of the environment that a rule runs in."""
    return environment_of(stage_of(rule), STUDY.config.device)


def reported(rule, *names, **about):
    """Outputs of a rule. `snakemake --report` shows those with these names, with the caption of the rule."""
    caption = f"../report/{rule}.rst"
    return {
        name: report(path, caption=caption, **about) if name in names else path for name, path in OUTPUTS[rule].items()
    }


def conda(rule):
    """That environment for `--sdm conda`."""
    return f"../../envs/{environment(rule)}.yaml"


def image(rule):
    """That environment as an image, for `--sdm apptainer`."""
    return f"envs/{environment(rule)}.sif"


# Snakemake does not compare parameters that depend on inputs, outputs or resources: a change of these reruns nothing.


def option(flag, name):
    """`--flag a --flag b`: an option for each path of a named input or output. It may have no path."""

    def options(wildcards, input, output):
        paths = {**dict(input.items()), **dict(output.items())}[name]
        return " ".join(f"{flag} {shlex.quote(path)}" for path in paths)

    return options


def origin(wildcards):
    """The option that says where public data come from: a mirror, or the hub with a lock for unpinned data sets."""
    mirror, lock = STUDY.config.data_mirror, STUDY.lock
    return f"--mirror {shlex.quote(mirror)}" if mirror else f"--lock {shlex.quote(str(lock))}"


def model_mirror(wildcards):
    """The option that names a mirror of published models, used instead of the hub."""
    mirror = STUDY.config.model_mirror
    return f"--mirror {shlex.quote(mirror)}" if mirror else ""


def results_folder(wildcards):
    return JOBS.paths.results


def launch(wildcards, resources):
    """Start one process for each GPU, or `ranks` processes on each node."""
    nodes, gpus, ranks = (resources.get(name, 1) for name in ("nodes", "gpu", "ranks"))
    each = ranks if ranks > 1 or nodes > 1 else gpus
    processes = f"--processes {each} " if each > 1 else ""
    return f"launch --nodes {nodes} {processes}--" if nodes > 1 or each > 1 else ""


def time_limit(wildcards, resources):
    """The time limit of the cluster job, so that a run stops by itself in time."""
    return f"--wall-minutes {resources.runtime}" if resources.get("runtime") else ""
