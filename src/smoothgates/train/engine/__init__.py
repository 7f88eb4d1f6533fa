"""Engines: what computes gradients and takes optimiser steps. `engine.py` says what one is, `make.py` chooses."""
