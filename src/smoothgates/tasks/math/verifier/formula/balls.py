"""Values of trees in ball arithmetic (Arb, by python-flint), exact where they are rational.

A ball is sure to contain the value. Nothing is simplified. Infinite and undefined values raise Undefined, so that they
equal nothing.
"""

from collections.abc import Callable

from flint import acb, arb, ctx, fmpq

from smoothgates.tasks.math.verifier.formula.budget import budget
from smoothgates.tasks.math.verifier.formula.nodes import Node
from smoothgates.tasks.math.verifier.formula.rationals import Inexact, Point, Undefined, exact, indices

PRECISIONS = (128, 512, 2048, 8192, 32768)
"""Bits. The next precision is tried if one does not decide."""
AGREE = 400
"""Bits in which equal numbers must agree, beyond those that small and large parts can hide."""
HIDDEN_BY = 8
"""A part that is n bits away from ordinary size can hide this many times n bits: 1 − cos x is about x²."""


class Balls:
    """Evaluates trees at a point, real or complex. `hidden` counts the bits that small and large parts can hide."""

    def __init__(self, at: Point, field: type) -> None:
        self.at = at
        self.field = field
        self.hidden = 0

    def __call__(self, node: Node):
        budget.spend(2 + int((ctx.prec / 256) ** 1.5))
        try:
            rational = exact(node, self.at)
        except Inexact:
            value = self.inexact(node)
            if not value.is_finite():
                raise Undefined from None
            self.hidden += _extreme(value)
            return value
        self.hidden += _long(rational)
        return self.field(rational)

    def enough(self) -> int:
        """Return the bits in which equal values must agree."""
        return AGREE + HIDDEN_BY * self.hidden

    def inexact(self, node: Node):
        field = self.field
        match node:
            case ("num" | "name" | "call", *_):
                return field(exact(node, self.at))
            case ("const", "pi"):
                return field(arb.pi())
            case ("const", "e"):
                return field(arb(1).exp())
            case ("const", "i") if field is acb:
                return acb(0, 1)
            case ("neg", a):
                return -self(a)
            case ("add", a, b):
                return self(a) + self(b)
            case ("mul", a, b):
                return self(a) * self(b)
            case ("div", a, b):
                return self(a) / self(b)
            case ("pow", ("const", "e"), a) | ("fn", "exp", a):
                return _nonzero(self(a).exp())
            case ("pow", a, b):
                base = self(a)
                power = self.power(base, b)
                return power if base.contains(0) else _nonzero(power)
            case ("deg", a):
                return self(a) * arb.pi() / 180
            case ("unit", a, "%"):
                return self(a) / 100
            case ("fn", name, *arguments):
                return self.function(name, arguments)
            case ("sum" | "prod", *_):
                found = field(node[0] == "prod")
                for point in indices(node, self.at):
                    inner = Balls(point, field)
                    term = inner(node[4])
                    self.hidden += inner.hidden
                    found = found + term if node[0] == "sum" else found * term
                return found
        raise Undefined

    def power(self, base, b: Node):
        wide = self(b)
        try:
            exponent = exact(b, self.at)
        except Inexact:
            if self.field is arb and not base > 0:
                raise Undefined from None
            return base**wide
        if exponent.q == 1 and abs(exponent.p) < 2**31:
            if base == 0 and exponent <= 0:
                raise Undefined
            return base ** int(exponent.p)
        if exponent == fmpq(1, 2):
            return self.root(base)
        return base**wide

    def root(self, base):
        if self.field is arb and not base >= 0 and not base.contains(0):
            raise Undefined
        return base.sqrt()

    def nth_root(self, value, n: int):
        """Return the real root of a real number (negative if n is odd), or the principal root of a complex number."""
        if self.field is acb:
            return value ** acb(fmpq(1, n))
        if value < 0 and n % 2:
            return -((-value).root(n))
        if value < 0:
            raise Undefined
        return value.root(n)

    def whole(self, node: Node, most: int) -> int:
        try:
            value = exact(node, self.at)
        except Inexact:
            raise Undefined from None
        if value.q != 1 or not 1 <= value <= most:
            raise Undefined
        return int(value.p)

    def function(self, name: str, arguments: list[Node]):
        value = self(arguments[0])
        if name == "sqrt":
            return self.root(value)
        if name == "root":
            return self.nth_root(value, self.whole(arguments[1], 1000))
        if name == "logb":
            base = self(arguments[1])
            return value.log() / base.log()
        if name == "lg":
            return value.log() / self.field(10).log()
        if name == "fact":
            return _nonzero((value + 1).gamma())
        if name == "binom":
            k = self(arguments[1])
            return (value + 1).gamma() / ((k + 1).gamma() * (value - k + 1).gamma())
        if name == "abs":
            return self.field(abs(value))
        if name in ("tanh", "coth"):
            self.hidden += int(float(abs(value).upper())) if abs(value) < 2**20 else 2**20  # it is this close to 1
        if name in _METHODS and len(arguments) == 1:
            return _METHODS[name](value)
        if name in ("floor", "ceil", "max", "min") and self.field is arb:
            if name in ("max", "min"):
                others = [self(argument) for argument in arguments[1:]]
                for other in others:
                    value = value.max(other) if name == "max" else value.min(other)
                return value
            return value.floor() if name == "floor" else value.ceil()
        raise Undefined


_METHODS = {
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "tan": lambda x: x.tan(),
    "cot": lambda x: x.cot(),
    "sec": lambda x: x.sec(),
    "csc": lambda x: x.csc(),
    "arcsin": lambda x: x.asin(),
    "arccos": lambda x: x.acos(),
    "arctan": lambda x: x.atan(),
    "arccot": lambda x: (1 / x).atan(),
    "arcsec": lambda x: (1 / x).acos(),
    "arccsc": lambda x: (1 / x).asin(),
    "sinh": lambda x: x.sinh(),
    "cosh": lambda x: x.cosh(),
    "tanh": lambda x: x.tanh(),
    "coth": lambda x: x.coth(),
    "ln": lambda x: x.log(),
    "log": lambda x: x.log(),
}


def _nonzero(value):
    """Return a power. Raises Undefined if it underflows to a ball that contains zero."""
    if value.contains(0):
        raise Undefined
    return value


def _long(value: fmpq) -> int:
    """Return the bits of a long rational number, else 0: 1 + 10⁻³⁰⁰ is near 1 and hides that many bits."""
    bits = max(abs(value.p).bit_length(), value.q.bit_length())
    return bits if bits > 32 else 0


def _extreme(value) -> int:
    """Return how many bits a value is above or below ordinary size; 0 if it may be zero."""
    size = abs(value)
    if size.contains(0):
        return 0
    _, exponent = size.mid().man_exp()
    bits = abs(int(exponent) + int(size.mid().man_exp()[0].bit_length()))
    return bits if bits > 32 else 0


def agree(a: Node, b: Node, at: Point) -> bool | None:
    """Return whether two trees have the same value at a point; None if either has none or it cannot be decided.

    Rational values are compared exactly. Other values are computed in ever smaller balls until these are disjoint, or
    agree in AGREE bits more than small and large intermediate values can hide.
    """
    try:
        return exact(a, at) == exact(b, at)
    except Inexact:
        pass
    except Undefined:
        return None
    fields = (acb,) if _imaginary(a) or _imaginary(b) else (arb,) if at else (arb, acb)
    for field in fields:
        try:
            return _ball_agree(a, b, at, field)
        except Undefined:
            continue
    return None


def _ball_agree(a: Node, b: Node, at: Point, field: type) -> bool | None:
    def compare(balls: Balls) -> bool | None:
        ours, theirs = balls(a), balls(b)
        apart = abs(ours - theirs)
        if not apart.contains(0):
            return False
        scale = arb(1) if abs(theirs).contains(0) else arb(1).min(abs(ours).max(abs(theirs)))
        return True if apart.upper() < scale * arb(2) ** -balls.enough() else None

    return _decided(compare, at, field)


def sign(node: Node) -> int:
    """Return 1 or -1; 0 if the value is zero, unknown or undefined."""

    def compare(balls: Balls) -> int | None:
        value = balls(node)
        return None if value.contains(0) else 1 if value > 0 else -1

    try:
        return _decided(compare, {}, arb) or 0
    except Undefined:
        return 0


def _decided(decide: Callable[[Balls], int | None], at: Point, field: type) -> int | None:
    """Return the decision of the first precision that suffices; None if none does.

    Undefined is final from the second precision on: at the first, a ball may be too large for a root.
    """
    before = ctx.prec
    try:
        for precision in PRECISIONS:
            ctx.prec = precision
            balls = Balls(at, field)
            try:
                if (decision := decide(balls)) is not None:
                    return decision
            except Undefined:
                if precision > PRECISIONS[0]:
                    raise
            if balls.enough() > PRECISIONS[-1]:
                return None
        return None
    finally:
        ctx.prec = before


def _imaginary(node: Node) -> bool:
    return node == ("const", "i") or any(_imaginary(part) for part in node if isinstance(part, tuple) and part)
