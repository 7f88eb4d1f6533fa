"""From generators and public data sets to the examples that every later stage reads."""
