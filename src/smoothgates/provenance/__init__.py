"""Where a result came from: the code, the environment and the machine, and whether its files still say so."""
