"""A study: one YAML file, one DAG."""
