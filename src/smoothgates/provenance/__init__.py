"""Where results come from: the code, the environment and the machine. And whether their files are unchanged."""
