"""Sets of numbers as intervals and points, from unions and from relations."""

from smoothgates.tasks.math.verifier.formula.nodes import Node
from smoothgates.tasks.math.verifier.formula.rationals import names

_TURNED = {"gt": "lt", "ge": "le"}


def turned(node: Node) -> tuple[tuple[str, ...], tuple]:
    """Return the signs and terms of a relation, with > and ≥ reversed."""
    signs, terms = node[1], node[2]
    if all(sign in ("gt", "ge", "eq") for sign in signs) and set(signs) != {"eq"}:
        signs = tuple(_TURNED.get(sign, sign) for sign in reversed(signs))
        terms = tuple(reversed(terms))
    return signs, terms


def region(node: Node) -> list[Node] | None:
    """Return the intervals and points of a set of numbers, or of the solutions of a relation; None for other nodes."""
    low, high = ("neg", ("inf",)), ("inf",)
    match node:
        case ("rel", ("in",), (_, numbers)):
            return region(numbers)
        case ("list", "or", items):
            parts = [region(item) for item in items]
            return None if None in parts or len(variables(node)) != 1 else [part for parts_ in parts for part in parts_]
        case ("union", a, b):
            parts = [region(a), region(b)]
            return None if None in parts else [*parts[0], *parts[1]]
        case ("minus", ("all", "R"), ("set", items)) if len(items) == 1:
            return [("seq", "(", ")", (low, items[0])), ("seq", "(", ")", (items[0], high))]
        case ("all", "R"):
            return [("seq", "(", ")", (low, high))]
        case ("seq", _, _, items) if len(items) == 2:
            return [node]
        case ("set", items):
            return [("point", item) for item in items]
        case ("rel", ("eq",), (name, value)) if name and name[0] == "name" and not names(value):
            return [("point", value)]
        case ("rel", ("ne",), (name, value)) if name and name[0] == "name" and not names(value):
            return [("seq", "(", ")", (low, value)), ("seq", "(", ")", (value, high))]
        case ("rel", signs, terms) if None not in terms and {*signs} <= {"lt", "le", "gt", "ge"}:
            signs, terms = turned(node)
            if not {*signs} <= {"lt", "le"}:
                return None
            if len(terms) == 3 and terms[1][0] == "name" and not names(terms[0]) | names(terms[2]):
                brackets = ["[" if signs[0] == "le" else "(", "]" if signs[1] == "le" else ")"]
                return [("seq", *brackets, (terms[0], terms[2]))]
            if len(terms) == 2 and terms[0][0] == "name" and not names(terms[1]):
                return [("seq", "(", "]" if signs[0] == "le" else ")", (low, terms[1]))]
            if len(terms) == 2 and terms[1][0] == "name" and not names(terms[0]):
                return [("seq", "[" if signs[0] == "le" else "(", ")", (terms[0], high))]
    return None


def variables(node: Node) -> set[str]:
    """Return the variables of a relation or of a list of relations."""
    items = node[2] if node[0] == "list" else (node,)
    return {term[1] for item in items if item[0] == "rel" for term in item[2] if term and term[0] == "name"}
