"""Statistics over seeds and problems. Files and numbers only; nothing here knows how they were trained."""
