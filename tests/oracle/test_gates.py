"""Gate values and weights against tables computed independently of this code."""

import math

import pytest
import torch

from smoothgates.gates import GATES

RATIOS = [0.5, 0.8, 0.9, 1, 1.1, 1.2, 2, 5]
WEIGHTS = {
    ("sigmoid", 1): [0.940015, 0.990066, 0.997504, 1, 0.997504, 0.990066, 0.786448, 0.070651],
    ("erf", 1): [0.882497, 0.980199, 0.995012, 1, 0.995012, 0.980199, 0.606531, 3.3546e-4],
    ("arctan", 1): [0.8, 0.961538, 0.990099, 1, 0.990099, 0.961538, 0.5, 0.058824],
    ("softsign", 1): [0.715542, 0.942866, 0.985185, 1, 0.985185, 0.942866, 0.353553, 0.014267],
    ("sigmoid", 10): [0.026592, 0.419974, 0.786448, 1, 0.786448, 0.419974, 1.816e-4, 1.7e-17],
    ("erf", 10): [3.727e-6, 0.135335, 0.606531, 1, 0.606531, 0.135335, 1.9e-22, 0],
    ("arctan", 10): [0.038462, 0.2, 0.5, 1, 0.5, 0.2, 0.009901, 6.246e-4],
    ("softsign", 10): [0.007543, 0.089443, 0.353553, 1, 0.353553, 0.089443, 9.852e-4, 1.561e-5],
    ("sigmoid", 12): [None, 0.305, 0.712, 1, 0.712, 0.305, None, None],
    ("erf", 12): [None, 0.056, 0.487, 1, 0.487, 0.056, None, None],
    ("arctan", 12): [None, 0.148, 0.410, 1, 0.410, 0.148, None, None],
    ("softsign", 12): [None, 0.057, 0.262, 1, 0.262, 0.057, None, None],
}
HALF_WIDTHS = {"sigmoid": 1.763, "erf": 1.177, "arctan": 1.0, "softsign": 0.766, "softsign_classic": 0.414}


@pytest.mark.parametrize(("gate", "tau"), WEIGHTS)
def test_weights_match_the_table(gate, tau):
    tolerance = 1e-6 if tau != 12 else 5e-4  # as printed
    ratio = torch.tensor(RATIOS, dtype=torch.float64)
    found = GATES[gate].weight(ratio, float(tau), True).tolist()
    for value, expected in zip(found, WEIGHTS[gate, tau], strict=True):
        assert expected is None or value == pytest.approx(expected, abs=tolerance)


def test_values_match_the_published_formulas():
    for r in (0.0, 0.3, 0.9, 1.0, 1.4, 7.0):
        for tau in (1.0, 10.0, 12.0):
            d, ratio = r - 1, torch.tensor(r, dtype=torch.float64)
            expected = {
                "sigmoid": 4 / tau / (1 + math.exp(-tau * d)),
                "erf": 1 + math.sqrt(math.pi / (2 * tau**2)) * math.erf(tau * d / math.sqrt(2)),
                "arctan": 1 + math.atan(tau * d) / tau,
                "softsign": 1 + d / math.sqrt(1 + (tau * d) ** 2),
                "softsign_classic": 1 + d / (1 + tau * abs(d)),
            }
            for name, value in expected.items():
                assert GATES[name].value(ratio, tau, True).item() == pytest.approx(value, abs=1e-12)


def gamma(r, k, rate):
    """f of VESPO's gate from f(0) = 0, for a whole k: the terms of a Poisson distribution."""
    rest = sum((rate * r) ** n / math.factorial(n) for n in range(k))
    return math.exp(rate) * math.factorial(k - 1) / rate**k * (1 - math.exp(-rate * r) * rest)


def gppo(r, bound):
    return bound + bound * math.log(r / bound)


CLOSED_FORMS = {
    ("harmonic", True): (lambda r: 2 * math.log1p(r), lambda r: 2 / (1 + r)),
    ("harmonic", False): (lambda r: 2 * math.log1p(r), lambda r: 2 / (1 + r)),
    ("cauchy", True): (lambda r: 2 * math.atan(r), lambda r: 2 / (1 + r * r)),
    ("cauchy", False): (lambda r: 2 * math.atan(r), lambda r: 2 / (1 + r * r)),
    ("gamma", True): (lambda r: gamma(r, 2, 3), lambda r: r * math.exp(3 - 3 * r)),
    ("gamma", False): (lambda r: gamma(r, 3, 2), lambda r: r * r * math.exp(2 - 2 * r)),
    ("topr", True): (lambda r: 1 + math.log(r), lambda r: 1 / r),
    ("topr", False): (lambda r: r if r < 1 else 1 + math.log(r), lambda r: min(1, 1 / r)),
    ("gppo", True): (lambda r: r if r <= 1.2 else gppo(r, 1.2), lambda r: min(1, 1.2 / r)),
    ("gppo", False): (lambda r: r if r >= 0.8 else gppo(r, 0.8), lambda r: max(1, 0.8 / r)),
    ("spo", True): (lambda r: r - (r - 1) ** 2 / 0.4, lambda r: 1 - (r - 1) / 0.2),
    ("spo", False): (lambda r: r + (r - 1) ** 2 / 0.4, lambda r: 1 + (r - 1) / 0.2),
    ("aspo", True): (
        lambda r: -1 + 3 * math.log(3 * r) if r < 1 / 3 else 2 - 1 / min(r, 1.2),
        lambda r: 0 if r > 1.2 else 3 / r if r < 1 / 3 else 1 / r**2,
    ),
    ("aspo", False): (
        lambda r: max(r, 0.8) if r < 3 else 3 + 3 * math.log(r / 3),
        lambda r: 0 if r < 0.8 else min(1, 3 / r),
    ),
}
"""f and f′ of the gates beyond the four papers, by the sign of Â, at ε = 0.2 where they take it."""


@pytest.mark.parametrize(("gate", "positive"), CLOSED_FORMS)
def test_values_and_weights_match_their_closed_forms(gate, positive):
    f, weight = CLOSED_FORMS[gate, positive]
    scale = 0.2 if GATES[gate].parameter == "clip" else 1.0
    for r in (1e-6, 0.05, 0.3, 0.5, 0.79, 0.9, 1.0, 1.1, 1.19, 1.3, 2.0, 2.9, 3.1, 40.0, 1e4):
        ratio = torch.tensor([r], dtype=torch.float64)
        assert GATES[gate].value(ratio, scale, positive).item() == pytest.approx(f(r), rel=1e-12, abs=1e-12)
        assert GATES[gate].weight(ratio, scale, positive).item() == pytest.approx(weight(r), rel=1e-12)


@pytest.mark.parametrize("gate", HALF_WIDTHS)
def test_half_widths_match_the_table(gate):
    assert GATES[gate].half_width(1.0) == pytest.approx(HALF_WIDTHS[gate], abs=5e-4)
    assert GATES[gate].half_width(10.0) == pytest.approx(GATES[gate].half_width(1.0) / 10)


def test_phi_of_sapo_peaks_where_published():
    ratio = torch.linspace(0.5, 4, 350001, dtype=torch.float64)
    for tau, height, place in ((1.0, 1.575, 2.06), (1.05, 1.536, 1.99), (10.0, 1.010, 1.020), (12.0, 1.007, 1.014)):
        phi = GATES["sigmoid"].phi(ratio, tau, True)
        assert phi.max().item() == pytest.approx(height, abs=6e-4)
        assert ratio[phi.argmax()].item() == pytest.approx(place, abs=6e-3)
