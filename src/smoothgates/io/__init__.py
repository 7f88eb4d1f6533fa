"""Reading and writing: files that are whole or absent, records, paths, progress."""
