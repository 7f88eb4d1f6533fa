"""One run that survives: its work directory, lease, checkpoints, and how it stops and resumes."""
