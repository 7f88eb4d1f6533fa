"""RL training: `step.py` is one RL step, `loop.py` the run, `run/` what makes a run resume."""
