"""One process of a study imports the libraries, and stages are its forks: torch takes a second to import."""
