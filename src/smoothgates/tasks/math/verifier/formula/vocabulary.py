"""The commands, names and words that the reader knows."""

RELATIONS = {
    "=": "eq",
    "<": "lt",
    ">": "gt",
    r"\lt": "lt",
    r"\gt": "gt",
    r"\le": "le",
    r"\ge": "ge",
    r"\ne": "ne",
    r"\approx": "approx",
    r"\simeq": "approx",
    r"\sim": "sim",
    r"\equiv": "cong",
    r"\in": "in",
    r"\to": "to",
    r"\rightarrow": "to",
    r"\subset": "subset",
    r"\subseteq": "subset",
    r"\implies": "implies",
    r"\iff": "iff",
    r"\perp": "perp",
    r"\parallel": "parallel",
    r"\propto": "propto",
    r"\cong": "similar",
}
FUNCTIONS = (
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "arccot", "arcsec", "arccsc"),
    *("sinh", "cosh", "tanh", "coth", "ln", "log", "lg", "exp", "sqrt", "surd"),
)
"""Functions of one argument, with or without brackets."""
MANY = ("gcd", "lcm", "max", "min")
"""Functions of a list in brackets."""
ACCENTS = {
    *("hat", "vec", "bar", "dot", "ddot", "tilde", "overline", "widehat", "overrightarrow", "widetilde"),
    *("mathbf", "mathcal"),
}
GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa"),
    *(
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "varrho",
        "sigma",
        "varsigma",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
    ),
    *("omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"),
    *("hbar", "ell", "mho", "nabla", "partial", "Re", "Im"),
}
"""Names with more than one letter."""
CALLABLE = set("fghFGH")
"""Names that are functions, not factors, before a bracket."""
OPERATIONS = {r"\cup": "union", r"\cap": "cut", r"\setminus": "minus", r"\backslash": "minus"}
CLOSERS = {"(": (")", "]"), "[": ("]", ")"), r"\{": (r"\}",), r"\langle": (r"\rangle",)}
JOINTS = {"and": "and", "or": "or", r"\lor": "or", r"\land": "and", ",": ",", ";": ",", "&": "and"}
STOPS = {
    *(")", "]", "}", r"\}", r"\rangle", r"\rfloor", r"\rceil", ",", ";", ":", "&", r"\\", r"\lor", r"\land", r"\mod"),
    *(r"\pmod", r"\not", r"\circ", r"\ldots", r"\end", "%", r"\%", "'", "!", "^", "_", "+", "-", "*", "/"),
    *(r"\pm", r"\mp", r"\cdot", r"\times", r"\div", r"\ast"),
    *RELATIONS,
    *OPERATIONS,
}
"""Tokens that cannot begin a factor multiplied without a sign."""
UNITS = {
    *("cm", "mm", "km", "kg", "mg", "ml", "Hz", "kHz", "mph", "kJ", "kcal", "hr", "min", "sec", "ft", "lb", "oz"),
    *("AM", "PM", "am", "pm", "pct", "percent", "degrees", "degree", "dollars", "cents", "radians", "units"),
    *("seconds", "minutes", "hours", "days", "weeks", "months", "years", "grams", "pounds", "square", "cubic"),
    *("inches", "feet", "miles", "meters", "centimeters", "millimeters", "kilometers", "metres"),
}
"""Letters after a number that are a unit rather than a product."""
