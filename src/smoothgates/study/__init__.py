"""A study: one YAML file, one DAG."""

from smoothgates.methods.table import load_methods
from smoothgates.study.loader import LoadedStudy, load_study

__all__ = ["LoadedStudy", "load_methods", "load_study"]
