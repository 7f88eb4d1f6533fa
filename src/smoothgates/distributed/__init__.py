"""Several processes for one stage: starting them, and what they tell each other."""
