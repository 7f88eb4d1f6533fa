r"""Wrong answers near right ones, and right answers in other forms, by kind.

Each maker takes a gold and a random stream and yields pairs of a gold and an answer. It yields another gold if its kind
needs one with a unit, a base or a residue, and nothing if its kind does not fit the gold.
"""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from random import Random

Pairs = Iterator[tuple[str, str]]
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FRACTION = re.compile(r"\\[dt]?frac\{(-?\d+)\}\{(\d+)\}")


def plain(gold: str) -> bool:
    return _NUMBER.fullmatch(gold) is not None


# --- wrong ----------------------------------------------------------------------------------------------------------


def digit(gold: str, rng: Random) -> Pairs:
    """Change one digit."""
    places = [found.start() for found in re.finditer(r"\d", gold)]
    for at in rng.sample(places, min(2, len(places))):
        other = rng.choice([d for d in "123456789" if d != gold[at]])
        yield gold, gold[:at] + other + gold[at + 1 :]


def one_digit_more(gold: str, rng: Random) -> Pairs:
    for found in list(re.finditer(r"(?<![\d.])[1-9]\d*(?![\d.,])", gold))[:1]:
        yield gold, gold[: found.end()] + "0" + gold[found.end() :]


def sign(gold: str, rng: Random) -> Pairs:
    """Change the sign of the first term, or of a later one."""
    if re.fullmatch(r"-?(?:[\d.]*[1-9][\d.]*|\\frac\{[^{},=]*\}\{[^{}]*\}|[\d.]*\\sqrt\{\d+\})", gold):
        yield gold, gold[1:] if gold.startswith("-") else "-" + gold
    for found in list(re.finditer(r"(?<=[\w}) ])[+-](?=[\w\\ ])", gold))[:1]:
        yield gold, gold[: found.start()] + "-+"[found[0] == "-"] + gold[found.end() :]


def exponent(gold: str, rng: Random) -> Pairs:
    """Add an exponent."""
    for found in list(re.finditer(r"\^\{?(\d+)(?!\d)", gold))[:1]:
        yield gold, gold[: found.start(1)] + str(int(found[1]) + 1) + gold[found.end(1) :]
    if plain(gold) and gold not in ("0", "1", "-1"):
        yield gold, gold + "^2"


def operands(gold: str, rng: Random) -> Pairs:
    """Exchange numerator and denominator, or two parts of a tuple."""
    for found in list(_FRACTION.finditer(gold))[:1]:
        if abs(int(found[1])) != int(found[2]):
            above, below = found[1].lstrip("-"), found[2]
            minus = "-" if found[1].startswith("-") else ""
            yield gold, gold[: found.start()] + rf"\frac{{{minus}{below}}}{{{above}}}" + gold[found.end() :]
    pair = re.fullmatch(r"\((-?[\w\\{}]+), ?(-?[\w\\{}]+)((?:, ?-?[\w\\{}]+)*)\)", gold)
    if pair and pair[1] != pair[2]:
        yield gold, f"({pair[2]}, {pair[1]}{pair[3]})"


def infinity(gold: str, rng: Random) -> Pairs:
    """Replace the gold by something infinite, or add it."""
    if "infty" in gold:
        return
    yield gold, rng.choice([r"e^{|\infty|}", r"\infty", r"|\infty|", r"-\infty", r"\frac{1}{0}", r"\infty - \infty"])
    if plain(gold):
        yield gold, rng.choice([rf"{gold} + 0 \cdot \infty", rf"{gold}^{{\infty}}", rf"\frac{{{gold}}}{{\infty}}",
                                rf"\lim_{{x \to \infty}} {gold}", rf"{gold} + e^{{-\infty}}"])  # fmt: skip
    for found in list(_NUMBER.finditer(gold))[:1]:
        if not plain(gold):
            yield gold, gold[: found.start()] + r" \infty " + gold[found.end() :]


def tiny(gold: str, rng: Random) -> Pairs:
    """Change the value a little, or hide a factor. A decimal of six digits equals what rounds to it."""
    if re.search(r"\d\.\d{4}|\d{4}\.\d|\.\d{6}|\d\.\d+ ?(?:\\times|e)", gold):
        return
    if plain(gold):
        for off in (r"10^{-40}", r"e^{-200}", r"\frac{1}{100!}", r"2^{-1100}", r"e^{-10^{60}}"):
            yield gold, f"{gold} + {off}"
        if gold != "0":
            yield gold, rf"{gold} \cdot 2^{{10^{{-200}}}}"
            yield gold, rf"{gold} \cdot \tanh(1000)"
            yield rf"\frac{{{gold}}}{{2^{{90}}}}", rf"\frac{{{gold}}}{{2^{{91}}}}"
            yield rf"\frac{{{gold}}}{{100!}}", r"\frac{%s}{100!}" % (gold + "1")
    else:
        yield gold, rf"{gold} + \frac{{1}}{{60!}}"


def residue(gold: str, rng: Random) -> Pairs:
    if re.fullmatch(r"\d{1,4}", gold):
        n, m = int(gold), int(gold) + rng.randint(2, 9)
        own = rf"n \equiv {n} \pmod{{{m}}}"
        yield own, rf"n \equiv {n + 1} \pmod{{{m}}}"
        yield own, rf"n \equiv {n} \pmod{{{m + 1}}}"
        yield own, rf"n \not\equiv {n} \pmod{{{m}}}"
        yield own, rf"m \equiv {n} \pmod{{{m}}}"
        yield own, str(m)


def base(gold: str, rng: Random) -> Pairs:
    if re.fullmatch(r"[1-9]\d{1,4}", gold):
        own = f"{gold}_{{{rng.randint(2, 9)}}}"
        yield own, own[:-2] + str(int(own[-2]) + 1) + "}"
        yield own, gold + "0"


def label(gold: str, rng: Random) -> Pairs:
    if found := re.fullmatch(r"(?:\\text\{)?([A-Za-z]{2,12})\}?", gold):
        word = found[1]
        for other in (word[::-1], word[1:] + word[0]):
            if other.casefold() != word.casefold():
                yield gold, rf"\text{{{other}}}"
                yield gold, other
    if re.fullmatch(r"[A-Z]", gold):
        yield gold, gold.lower()
    if re.fullmatch(r"\d{1,2}", gold):
        points = rng.sample("ABCDEFGHPQRST", 3)
        yield r"\angle " + "".join(points), r"\angle " + "".join([points[1], points[0], points[2]])


_UNITS = (
    "km",
    "mm",
    "cm",
    "kg",
    "seconds",
    "hours",
    "feet",
    "AM",
    "PM",
    "thousand",
    "million",
    "dollars",
    "cm^2",
    "cm^3",
)


def unit(gold: str, rng: Random) -> Pairs:
    if plain(gold):
        one, other = rng.sample(_UNITS, 2)
        form = lambda unit: rf"{gold}\text{{ {unit}}}"  # noqa: E731
        yield form(one), form(other)


def hedge(gold: str, rng: Random) -> Pairs:
    """Write the gold and another answer."""
    if plain(gold):
        other = str(int(float(gold)) + rng.randint(1, 5))
        for joint in (
            r" \text{ or } ",
            r" \lor ",
            "; ",
            ", ",
            r" \text{ and } ",
            r" \vee ",
            " | ",
            r" \text{, maybe } ",
            "/",
        ):
            if joint != "/" or (gold != "0" and other != "1"):
                yield gold, gold + joint + other
                yield gold, other + joint + gold
        yield gold, rf"x = {other} \lor x = {gold}"
        yield gold, rf"\neq {gold}"
        yield gold, rf"> {gold}"
        yield gold, rf"\ldots, {other}, {gold}"
        yield gold, rf"{gold}, {other}, \ldots"


WRONG: dict[str, Callable[[str, Random], Pairs]] = {
    maker.__name__.replace("_", " "): maker
    for maker in (
        digit, one_digit_more, sign, exponent, operands, infinity, tiny, residue, base, label, unit, hedge
    )
}  # fmt: skip


# --- right ----------------------------------------------------------------------------------------------------------


def order_of_sums(gold: str, rng: Random) -> Pairs:
    terms = _top_level(gold)
    if len(terms) > 1:
        moved = [terms[-1], *terms[:-1]]
        yield gold, "".join(moved).removeprefix("+")


def order_of_products(gold: str, rng: Random) -> Pairs:
    if found := re.fullmatch(r"(-?)(\d+) ?(\\sqrt\{\d+\}|\\pi)", gold):
        yield gold, rf"{found[1]}{found[3]} \cdot {found[2]}"
    if found := re.fullmatch(r"\\frac\{(\d+) ?(\\pi|\\sqrt\{\d+\})\}\{(\d+)\}", gold):
        yield gold, rf"\frac{{{found[1]}}}{{{found[3]}}} {found[2]}"


def fractions_and_decimals(gold: str, rng: Random) -> Pairs:
    if found := re.fullmatch(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}", gold):
        yield gold, f"{found[1]}{found[2]}/{found[3]}"
        value = Fraction(int(found[2]), int(found[3]))
        if 10**12 % value.denominator == 0:
            digits = f"{value.numerator * 10**12 // value.denominator:013d}"
            yield gold, found[1] + (digits[:-12] + "." + digits[-12:]).rstrip("0").rstrip(".")
        else:
            digits = 8 + max(0, len(found[3]) - len(found[2]))
            yield gold, f"{found[1]}{float(value):.{digits}f}"
    elif plain(gold) and "." in gold:
        value = Fraction(gold)
        yield gold, rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    elif plain(gold):
        yield gold, f"{gold}.0"


def degrees(gold: str, rng: Random) -> Pairs:
    if plain(gold):
        yield gold, gold + rng.choice([r"^\circ", r"^{\circ}", "°", r"\text{ degrees}"])


def spacing(gold: str, rng: Random) -> Pairs:
    if "$" not in gold and r"\(" not in gold:
        yield gold, re.sub(r"(?<=[+=<>,(])(?=[^ ])|(?=[+=<>)])(?<=[^ ])", rng.choice([" ", r"\,"]), gold)
    yield gold, f"  {gold} "


def left_and_right(gold: str, rng: Random) -> Pairs:
    if "(" in gold and r"\left" not in gold and gold.count("(") == gold.count(")"):
        yield gold, gold.replace("(", r"\left(").replace(")", r"\right)")
    elif r"\left" in gold:
        yield gold, re.sub(r"\\(?:left|right)(?![a-z])", "", gold)


def frac(gold: str, rng: Random) -> Pairs:
    if r"\frac" in gold:
        yield gold, gold.replace(r"\frac", rng.choice([r"\dfrac", r"\tfrac"]))


def in_unicode(gold: str, rng: Random) -> Pairs:
    other = (
        gold.replace("-", "−").replace(r"\pi", "π").replace(r"\infty", "∞").replace(r"\cup", "∪").replace(r"\le", "≤")
    )
    other = re.sub(r"\\sqrt\{(\d+)\}", r"√\1 ", other) if "{√" not in other else other
    if "le" not in gold and other != gold:
        yield gold, other
    if plain(gold):
        yield gold, "".join(chr(0xFF10 + int(d)) if d.isdecimal() else d for d in gold)


def colour_and_bold(gold: str, rng: Random) -> Pairs:
    if "$" not in gold and r"\text" not in gold and not gold.endswith("."):
        yield gold, rng.choice([r"\textcolor{red}{%s}", r"\underline{%s}", r"\boxed{%s}"]) % gold


RIGHT: dict[str, Callable[[str, Random], Pairs]] = {
    maker.__name__.replace("_", " "): maker
    for maker in (
        order_of_sums, order_of_products, fractions_and_decimals, degrees, spacing, left_and_right, frac, in_unicode,
        colour_and_bold,
    )
}  # fmt: skip


def _top_level(gold: str) -> list[str]:
    """Return the signed terms of a sum; none if it is more than a sum."""
    if re.search(r"[,=<>$&]|\\(?:text|in|cup|le|ge|pm|begin|mbox|neq|approx|equiv)(?![a-z])|\d[eE]", gold):
        return []
    terms, depth, start = [], 0, 0
    for at, character in enumerate(gold):
        depth += (character in "({[") - (character in ")}]")
        if character in "+-" and depth == 0 and at and gold[at - 1] not in "^*/" and gold[:at].strip():
            terms.append(gold[start:at])
            start = at
    terms.append(gold[start:])
    terms = [term.strip() for term in terms]
    return [term if term[:1] in "+-" else "+" + term for term in terms] if all(terms) else []
