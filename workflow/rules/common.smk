"""Shared by all rules. The study, the jobs it asks for, and the way to its code."""

import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))  # the checkout's own code, installed or not

from smoothgates.jobs.snakemake.run import refuse, watched
from smoothgates.provenance.environments import environment_of, lock_digest
from smoothgates.errors import BadInput
from smoothgates.io.paths import record_of
from smoothgates.provenance.code_closure import write_code_list

if set("{}:") & set(workflow.basedir):
    # Wildcards to Snakemake; to PYTHONPATH, the end of one folder and another one from which code would be run.
    refuse(f"{workflow.basedir}: expected a folder without braces and colons in its path")

try:
    # A file of gates/ may be a user's own, and no gate.
    from smoothgates.jobs.dag import Jobs
    from smoothgates.study.ownership import mark, own_study
    from smoothgates.specs.control import CONTROL
    from smoothgates.tasks import judging_parts

    STUDY = own_study(config.get("study", "laptop"))
    JOBS = Jobs(STUDY)
except BadInput as error:
    refuse(str(error))

if workflow.is_main_process:
    workflow.execute = watched(workflow, STUDY.name)

PATHS = JOBS.paths
SEEDS = STUDY.config.seeds
TASKS = STUDY.config.tasks
CODE = f".snakemake/code/{STUDY.name}/{{}}.sha256"

# A prefix is no part of a rule's code, so a moved checkout triggers nothing. `exec`: signals reach the stage itself.
shell.prefix(f"export PYTHONPATH={shlex.quote(workflow.basedir)}/src SMOOTHGATES_DEVICE={STUDY.config.device}; exec ")


onstart:
    mark(STUDY)


wildcard_constraints:
    task="|".join(TASKS),
    regime="|".join([*STUDY.config.regimes, CONTROL]),
    method="|".join([*STUDY.methods, *sorted({method for task in TASKS for method in STUDY.controls(task)})]),
    gate="|".join(JOBS.used_gates),
    benchmark="|".join({name for task in TASKS.values() for name in task.evaluation}),
    name="|".join(STUDY.config.indexes),
    seed=r"\d+",


def locked(stage):
    """Digest of the environment that a stage runs in: it triggers by what is pinned, on any path."""
    return lock_digest(environment_of(stage, STUDY.config.device))


def conda(stage):
    """The same environment for `--sdm conda`."""
    return f"../../envs/{environment_of(stage, STUDY.config.device)}.yaml"


def image(stage):
    """The same environment as an image, for `--sdm apptainer`."""
    return f"envs/{environment_of(stage, STUDY.config.device)}.sif"


def code(name, stage, parts=()):
    """Path of a list of the code that a job depends on, brought up to date: editing what it lists reruns the job."""
    path = CODE.format(name)
    try:
        write_code_list(Path(path), stage, parts)
    except OSError as error:
        refuse(f"{path}: cannot be written ({error.strerror})")
    return path


for task in TASKS:
    for stage in ("prepare", "policy"):
        code(f"{stage}/{task}", stage, (f"tasks.{task}",))
    code(f"evaluate/{task}", "evaluate", judging_parts(task))
    for method in STUDY.methods_of(task):
        code(f"train/{task}/{method}", "train", JOBS.train_parts(task, method))


for gate in JOBS.used_gates:
    code(f"check_gate/{gate}", "check_gate", (f"gates.{gate}",))


def flags(flag, paths):
    """`--flag a --flag b`, as the stages take lists."""
    return " ".join(f"{flag} {shlex.quote(path)}" for path in paths)


def prepare_spec(wildcards):
    return STUDY.prepare_spec(wildcards.task).canonical()


def warm_start_spec(wildcards):
    return STUDY.policy_spec(wildcards.task, int(wildcards.seed), "warm_start").canonical()


def warm_start_moe_spec(wildcards):
    return STUDY.policy_spec(wildcards.task, int(wildcards.seed), "warm_start_moe").canonical()


def sft_spec(wildcards):
    return STUDY.policy_spec(wildcards.task, int(wildcards.seed), "sft").canonical()


def train_spec(wildcards):
    w = wildcards
    return STUDY.train_spec(w.task, w.regime, w.method, int(w.seed)).canonical()


def evaluate_spec(wildcards):
    return STUDY.evaluate_spec(wildcards.task, wildcards.benchmark).canonical()


def index_spec(wildcards):
    return STUDY.config.indexes[wildcards.name].canonical()


def public_files(wildcards):
    return JOBS.public[wildcards.task]


def origin_flag(wildcards):
    """Where public data come from: a mirror; or the hub, with a lock for what the project does not pin."""
    mirror, lock = STUDY.config.data_mirror, STUDY.lock
    return f"--mirror {shlex.quote(mirror)}" if mirror else f"--lock {shlex.quote(str(lock))}"


def corpus_files(wildcards):
    return JOBS.corpora[wildcards.name]


def index_of(wildcards):
    return JOBS.searched(wildcards.task)


def start_of(wildcards):
    return JOBS.start(wildcards.task, wildcards.regime, wildcards.seed)


def check_of(wildcards):
    return JOBS.checked(wildcards.method)


def check_gate_spec(wildcards):
    return JOBS.check_gate(wildcards.gate).spec.canonical()


def models(wildcards):
    return JOBS.models(wildcards.task, wildcards.regime, wildcards.method)


def index_flags(wildcards, input):
    return flags("--index", input.index)


def model_flags(wildcards, input):
    return flags("--model", input.models)


def out_flags(wildcards, output):
    return flags("--out", output.scores)


def results_folder(wildcards):
    return PATHS.results


def data_flags(wildcards, input):
    return flags("--data", input.data)


def launch_flag(wildcards, resources):
    """A process for each GPU, or `ranks` on each node. What is read from resources is not compared."""
    nodes, gpus, ranks = (resources.get(name, 1) for name in ("nodes", "gpu", "ranks"))
    each = ranks if ranks > 1 or nodes > 1 else gpus
    processes = f"--processes {each} " if each > 1 else ""
    return f"launch --nodes {nodes} {processes}--" if nodes > 1 or each > 1 else ""


def wall_flag(wildcards, resources):
    """A run stops by itself before the cluster ends its job."""
    return f"--wall-minutes {resources.runtime}" if resources.get("runtime") else ""
