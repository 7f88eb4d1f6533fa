"""How a run stops and resumes: `attempt.py`, its checkpoints (`checkpoint.py`), its work directory (`workdir.py`)."""
