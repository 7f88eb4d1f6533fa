"""Engines compute gradients and take optimiser steps. `engine.py` defines the interface, `make.py` chooses one."""
