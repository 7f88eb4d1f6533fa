"""The report: figures, tables and one page, from result files only. Nothing here imports torch."""
