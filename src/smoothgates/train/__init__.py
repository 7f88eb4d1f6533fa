"""RL: rollouts in, optimiser steps out."""
