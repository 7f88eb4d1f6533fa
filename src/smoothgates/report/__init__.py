"""The report: figures, tables and one page, from analysis files only. Torch is never imported here."""
