"""Whether an answer states the same as a gold: names with values, lists, relations, congruences.

docs/tasks.md has the rule for each kind.
"""

from collections.abc import Iterable

from smoothgates.tasks.math.verifier.formula.nodes import Node
from smoothgates.tasks.math.verifier.formula.objects import in_order, matched, same_object, same_region
from smoothgates.tasks.math.verifier.formula.rationals import Inexact, Undefined, exact
from smoothgates.tasks.math.verifier.formula.regions import turned
from smoothgates.tasks.math.verifier.formula.values import proportional


def same(gold: Node, answer: Node) -> bool:
    """Return whether an answer states the same as the gold. Raises TooMuchWork when the budget is spent."""
    return _same(settled(gold), settled(answer))


# --- names and lists ------------------------------------------------------------------------------------------------


def settled(node: Node) -> Node:
    """Return a tree with ± expanded to a list and repeated items removed; a list of one item becomes the item."""
    if node[0] == "rel" and node[1][-1] in ("eq", "approx", "in") and node[2][-1] is not None:
        last = settled(node[2][-1])
        if last[0] == "list" and all(node[2]):
            return ("list", last[1], tuple(("rel", node[1], (*node[2][:-1], item)) for item in last[2]))
        return node
    if node[0] == "list":
        items = []
        for item in map(settled, node[2]):
            items += item[2] if item[0] == "list" and item[1] == "," else [item]
        items = _distinct(items)
        return items[0] if len(items) == 1 else ("list", node[1], items)
    if _has_plus_minus(node):
        plus, minus = _with_sign(node, True), _with_sign(node, False)
        return ("list", ",", (plus, minus))
    if node[0] == "set":
        found = settled(("list", ",", node[1]))
        return ("set", found[2] if found[0] == "list" else (found,))
    return node


def _distinct(items: Iterable[Node]) -> tuple[Node, ...]:
    """Return the items without those that equal an earlier one."""
    kept: list[Node] = []
    for item in items:
        if item == ("dots",) or not any(_same(other, item) for other in kept):
            kept.append(item)
    return tuple(kept)


def _has_plus_minus(node: Node) -> bool:
    """Return whether a term contains ±, outside any list."""
    if node[0] == "pm":
        return True
    if node[0] in ("set", "seq", "matrix", "list", "rel", "mod", "word", "name", "call", "num", "base"):
        return False
    return any(_has_plus_minus(part) for part in node[1:] if isinstance(part, tuple) and part)


def _with_sign(node, plus: bool):
    if not isinstance(node, tuple) or not node:
        return node
    if node[0] == "pm":
        right = _with_sign(node[2], plus)
        right = right if plus else ("neg", right)
        return right if node[1] is None else ("add", _with_sign(node[1], plus), right)
    return tuple(_with_sign(part, plus) for part in node)


def _same(gold: Node, answer: Node) -> bool:
    if gold[0] == "list" or answer[0] == "list":
        return _lists(gold, answer)
    (gold_name, gold_value), (name, value) = named(gold), named(answer)
    if (gold_name is None and gold_value is not gold) or (name is None and value is not answer):
        return _same(settled(gold_value if gold_name is None else gold), settled(value if name is None else answer))
    if gold_name is not None and name is not None and not _same_name(gold_name, name):
        return _relations(gold, answer)
    if gold_name is not None or name is not None:
        if (gold_name is None and gold[0] in ("rel", "mod")) or (name is None and answer[0] in ("rel", "mod")):
            return _relations(gold, answer)
        if gold_name is None and gold_value[0] == "word":
            return False
        return _same(settled(gold_value), settled(value))
    if gold[0] == "rel" or answer[0] == "rel":
        return _relations(gold, answer)
    if gold[0] == "mod" or answer[0] == "mod":
        return _congruences(gold, answer)
    return same_object(gold, answer)


def named(node: Node) -> tuple[Node | None, Node]:
    """Return the name, if any, to which a statement gives a value, and the value: the last of a chain before any ≈.

    >>> from smoothgates.tasks.math.verifier.formula.reader import read
    >>> named(read("x = 1 + 1 = 2"))[1], named(read("3 < 5"))[0], named(read("f(x) = 2"))[0] is None
    (('num', Fraction(2, 1), None), None, False)
    """
    if node[0] != "rel" or not set(node[1]) <= {"eq", "approx"} or len(node[1]) < 1:
        in_set = node[0] == "rel" and node[1] == ("in",) and node[2][0] is not None and _is_name(node[2][0])
        return (node[2][0], node[2][1]) if in_set and node[2][1][0] in _SETS else (None, node)
    signs, terms = node[1], node[2]
    value = terms[0]
    for i, (sign, term) in enumerate(zip(signs, terms[1:])):
        if sign == "approx" and not (i == 0 and (value is None or _is_name(value))):
            break
        value = term
    if terms[0] is None or value is terms[0]:
        return None, value
    return (terms[0], value) if _is_name(terms[0]) else (None, node)


_SETS = ("set", "seq", "union", "cut", "minus", "all", "empty", "name")
"""Kinds of sets that a name can be an element of: `x \\in 2` gives x no value."""


def last_value(node: Node) -> Node | None:
    """Return the last term of an equation without a name: `5 + 5 = 10` answers 10. None if it is no equation."""
    if node[0] == "rel" and set(node[1]) == {"eq"} and node[2][0] is not None:
        return node[2][-1]
    return None


def _is_name(node: Node) -> bool:
    """Return whether a node can be given a value: x, f(x), |AB|, NO/BO, dy/dx, (p, q)."""
    match node:
        case ("name" | "call", *_) | ("const", "e" | "i"):
            return True
        case ("fn", "abs", a):
            return _is_label(a)
        case ("seq", _, _, items):
            return all(_is_name(item) for item in items)
        case ("div", a, b):
            return _is_label(a) and _is_label(b)
        case ("mul", _, _):
            return _is_label(node)
        case ("fn", "min" | "max", a):
            return _is_name(a)
    return False


def _is_label(node: Node) -> bool:
    """Return whether a node is a label made of points: AB."""
    if node[0] == "mul":
        return _is_label(node[1]) and _is_label(node[2])
    return node[0] == "name" and node[1][:1].isupper()


def _same_name(a: Node, b: Node) -> bool:
    """Compare names as written; the letter of a function's argument does not matter."""
    if a[0] == b[0] == "call" and a[1] == b[1] and len(a) == len(b):
        return all(x[0] == y[0] == "name" or x == y for x, y in zip(a[2:], b[2:]))
    if (a[0] == "call" and b[0] == "name") or (a[0] == "name" and b[0] == "call"):
        return a[1] == b[1]
    return a == b


def _lists(gold: Node, answer: Node) -> bool:
    """Compare lists. Bare lists have no order; against brackets or names the order counts."""
    for one, other in ((gold, answer), (answer, gold)):
        if one[0] == "list" and other[0] != "list":
            name, value = named(other)
            if name is not None and name[0] == "seq" and value[0] == "seq":
                return _lists(one, value) if one is gold else _lists(value, one)
            if value[0] == "seq" and value[1:3] == ("(", ")") and one[1] != "or":
                return in_order(one[2], value[3], _same) if one is gold else in_order(value[3], one[2], _same)
            if value[0] == "set":
                return matched(one[2], value[1], _same) if one is gold else matched(value[1], one[2], _same)
            return same_region(gold, answer)
    ours, theirs = gold[2], answer[2]
    if {gold[1], answer[1]} == {"and", "or"} and not _of_one_name(gold, answer):
        return False
    if len(ours) != len(theirs):
        return False
    if ("dots",) in ours or ("dots",) in theirs:
        return in_order(ours, theirs, _same)
    gold_names, answer_names = _names_given(gold), _names_given(answer)
    if min(len(gold_names), len(answer_names)) == 0 and max(len(gold_names), len(answer_names)) > 1:
        return in_order(ours, theirs, _same)
    return matched(ours, theirs, _same)


def _names_given(node: Node) -> set[Node]:
    return {name for item in node[2] if (name := named(item)[0]) is not None}


def _of_one_name(gold: Node, answer: Node) -> bool:
    """Return whether all items give values to one name: then `and` and `or` mean the same."""
    return all(
        len({name[1] for name in _names_given(node)}) == 1 and all(named(item)[0] for item in node[2])
        for node in (gold, answer)
    )


# --- relations and congruences ----------------------------------------------------------------------------------------


def _relations(gold: Node, answer: Node) -> bool:
    if gold[0] == "mod" or answer[0] == "mod":
        return _congruences(gold, answer)
    if gold[0] == "rel" and answer[0] == "rel":
        if (gold[2][0] is None) != (answer[2][0] is None):
            return gold[1] == answer[1] and len(gold[1]) == 1 and same_object(gold[2][1], answer[2][1])
        return _same_relation(gold, answer) or same_region(gold, answer)
    if gold[0] != "rel" and (value := last_value(answer)) is not None:
        return _same(gold, settled(value))
    return same_region(gold, answer)


def _same_relation(gold: Node, answer: Node) -> bool:
    (signs, terms), (others, theirs) = turned(gold), turned(answer)
    if signs == others and all(a is b or (a and b and same_object(a, b)) for a, b in zip(terms, theirs)):
        return True
    if len(signs) != 1 or signs != others or None in (*terms, *theirs):
        return False
    if signs[0] not in ("eq", "ne", "lt", "le"):
        return False
    difference, other = (("add", terms[0], ("neg", terms[1])), ("add", theirs[0], ("neg", theirs[1])))
    return proportional(difference, other, positive=signs[0] in ("lt", "le"))


def _congruences(gold: Node, answer: Node) -> bool:
    """Compare residues of one modulus. An answer's modulus is ignored if the gold has none."""
    if answer[0] != "mod":
        return False
    (_, congruence, modulus) = answer
    if congruence[0] == "rel" and set(congruence[1]) != {"cong"}:
        return False
    if gold[0] != "mod":
        value = congruence[2][-1] if congruence[0] == "rel" else congruence
        return gold[0] != "rel" and same_object(gold, value)
    (_, gold_congruence, gold_modulus) = gold
    if gold_congruence[0] == "rel" and set(gold_congruence[1]) != {"cong"}:
        return gold_congruence == congruence and same_object(gold_modulus, modulus)
    ours, theirs = (c[2] if c[0] == "rel" else (None, c) for c in (gold_congruence, congruence))
    if ours[0] is not None and theirs[0] is not None and not same_object(ours[0], theirs[0]):
        return False
    if not same_object(gold_modulus, modulus):
        return False
    try:
        m, a, b = (exact(node, {}) for node in (modulus, ours[-1], theirs[-1]))
    except (Inexact, Undefined):
        return same_object(ours[-1], theirs[-1])
    return m.q == 1 and m != 0 and ((a - b) / m).q == 1
