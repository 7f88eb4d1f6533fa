"""Bring a formula to one spelling: Unicode becomes LaTeX, and formatting is removed."""

import re

_MINUS = "\u2212\u2013\u2014\u2010\u2011\ufe63"
_SIGNS = {
    **dict.fromkeys(_MINUS, "-"),
    **dict.fromkeys("\u00d7\u2a2f", r" \times "),
    **dict.fromkeys("\u00b7\u22c5\u2219\u2217", r" \cdot "),
    **dict.fromkeys("\u00a0\u2009\u202f\u2002\u2003\u200a", " "),
    **dict.fromkeys("\u200b\u2061\u2062\ufeff", ""),
    **dict.fromkeys("\u20ac\u00a3\u00a5\u20b9", " "),  # a sum of money, as the dollar sign
    "\u00f7": r" \div ",
    "\u2044": "/",
    "\u2215": "/",
    "\u221a": r"\surd ",
    "\u221b": r"\sqrt[3]",
    "\u221e": r"\infty ",
    "\u2205": r"\emptyset ",
    "\u2264": r"\le ",
    "\u2265": r"\ge ",
    "\u2260": r"\ne ",
    "\u2248": r"\approx ",
    "\u2261": r"\equiv ",
    "\u222a": r"\cup ",
    "\u2229": r"\cap ",
    "\u2208": r"\in ",
    "\u00b1": r"\pm ",
    "\u2213": r"\mp ",
    "\u00b0": r"^\circ ",
    "\u2220": r"\angle ",
    "\u25b3": r"\triangle ",
    "\u2026": r"\ldots ",
    "\u22ef": r"\ldots ",
    "\u2192": r"\to ",
    "\u2228": r"\lor ",
    "\u2227": r"\land ",
    "\u2032": "'",
    "\u2019": "'",
    "\u2033": "''",
    "\u211d": r"\mathbb{R}",
    "\u2124": r"\mathbb{Z}",
    "\u2115": r"\mathbb{N}",
    "\u211a": r"\mathbb{Q}",
    "\u2102": r"\mathbb{C}",
    "\u230a": r"\lfloor ",
    "\u230b": r"\rfloor ",
    "\u2308": r"\lceil ",
    "\u2309": r"\rceil ",
    "\u27e8": r"\langle ",
    "\u27e9": r"\rangle ",
    "\u2211": r"\sum ",
    "\u220f": r"\prod ",
    "\u222b": r"\int ",
    "\u2202": r"\partial ",
}
_VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7),
    "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
_GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
    "rho",
    "varsigma",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
]
_TABLE = {
    **_SIGNS,
    **{sign: rf"\frac{{{above}}}{{{below}}}" for sign, (above, below) in _VULGAR.items()},
    **{chr(0x3B1 + i): rf"\{name} " for i, name in enumerate(_GREEK)},
    **{chr(0x391 + i): rf"\{name.capitalize()} " for i, name in enumerate(_GREEK) if name in
       ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "phi", "psi", "omega")},
    "ϕ": r"\phi ",
    "ε": r"\epsilon ",
    **{chr(0xFF01 + i): chr(0x21 + i) for i in range(94)},  # full width
}  # fmt: skip
_TRANSLATION = str.maketrans(_TABLE)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff]")
_SYNONYMS = [
    (re.compile(r"\\(?:dfrac|tfrac|cfrac)(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\(?:leqslant|leq|leqq)(?![a-zA-Z])|<=|=<"), r"\\le "),
    (re.compile(r"\\(?:geqslant|geq|geqq)(?![a-zA-Z])|>="), r"\\ge "),
    (re.compile(r"\\(?:neq|not\s*=)(?![a-zA-Z])|!=|\\not\s*="), r"\\ne "),
    (re.compile(r"\\(?:varnothing|O)(?![a-zA-Z])|\\\{\s*\\\}"), r"\\emptyset "),
    (re.compile(r"\\(?:dots|cdots|dotsc|dotsb|hdots)(?![a-zA-Z])|\.\.\."), r"\\ldots "),
    (re.compile(r"\\vee(?![a-zA-Z])"), r"\\lor "),
    (re.compile(r"\\wedge(?![a-zA-Z])"), r"\\land "),
    (re.compile(r"\\(?:lbrace)(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\(?:rbrace)(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])"), "|"),
    (re.compile(r"\\(?:bmod|mod)(?![a-zA-Z])\s*"), r"\\mod "),
    (re.compile(r"\^\s*\{?\s*\\prime\s*\\prime\s*\}?"), "''"),
    (re.compile(r"\^\s*\{?\s*\\prime\s*\}?"), "'"),
    (re.compile(r"\^\s*\{\s*\\circ\s*\}|\\degree(?![a-zA-Z])"), r"^\\circ "),
    (re.compile(r"(?<!\w)np\."), ""),
    (re.compile(r"([ap])\.m\.", re.IGNORECASE), r" \1m "),
    (re.compile(r"\{,\}|,\\!\s*"), "\u02cc"),  # certainly groups digits
    (re.compile(r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|bigg|Bigg)(?![a-zA-Z])\.?"), " "),
    (re.compile(r"\\(?:displaystyle|limits|nolimits|rm|bf|it|cal)(?![a-zA-Z])"), " "),
    (re.compile(r"(?<!\\)\\[,;:! >]|~|\\(?:quad|qquad|thinspace|enspace)(?![a-zA-Z])|\\hspace\{[^{}]{0,20}\}"), " "),
    (re.compile(r"\\(?:textcolor|colorbox)\s*\{[a-zA-Z!0-9]{1,30}\}|\\color\s*\{[a-zA-Z!0-9]{1,30}\}"), " "),
    (re.compile(r"\\(?:underline|bm|mathit|mathsf|mathtt|fbox|boxed|mathstrut|hbox|ensuremath)(?![a-zA-Z])"), " "),
]  # fmt: skip


def plain(text: str) -> str:
    r"""Return a formula in ASCII LaTeX, without delimiters of math mode, colours, sizes and thin spaces.

    >>> plain(r"$\left( −２, \dfrac{1}{2} \right)$"), plain("2½"), plain(r"\textcolor{red}{\underline{5}}")
    ('( -2, \\frac{1}{2} )', '2\\frac{1}{2}', '{ {5}}')
    """
    text = _CONTROL.sub("\ufffd", text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda found: "^{" + found[0].translate(_RAISED) + "}", text)
    text = re.sub(r"[₀₁₂₃₄₅₆₇₈₉]+", lambda found: "_{" + found[0].translate(_LOWERED) + "}", text)
    text = text.translate(_TRANSLATION)
    if r"\begin" not in text:
        text = re.sub(r"\\\\(?=[a-zA-Z({\[])", r"\\", text)  # escaped twice
    for spelling, standard in _SYNONYMS:
        text = spelling.sub(standard, text)
    text = text.replace(r"\$", " ")  # a sum of money
    text = re.sub(r"(?<!\\)\\[()\[\]]|\$", " ", text)
    text = re.sub(r"(?<=[\d}\s])\s*\\?%", r"\\% ", text)
    return text.strip().rstrip(".").strip()
