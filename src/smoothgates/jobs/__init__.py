"""The jobs of a study, and what the Snakefile needs beside its rules."""
