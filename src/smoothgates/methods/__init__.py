"""What a method is, and the table of methods."""
