"""The answers to the questions beyond the papers in words. They never say more than the verdicts and intervals do."""

from collections.abc import Callable, Iterable
from typing import Any

from smoothgates.io.text import rounded_up
from smoothgates.report.text import interval, listed

METRICS = {"score": "score", "eur": "EUR", "drawdown": "drawdown in training"}
"""In a sentence. Other metrics have their names."""
MOST = 5
"""The most comparisons that a sentence lists."""

Row = dict[str, Any]
Question = dict[str, Any]
Group = dict[str, Any]


def name_of(question: Question) -> str:
    """The name of a question's figure."""
    return f"question_{question['id']}"


def headline(question: Question) -> str:
    """The answer in one sentence."""
    said = _dial_said if question["dial"] else _variances_said if question["compares"] == "variances" else _means_said
    clauses = [clause for group in question["groups"] for clause in said(question, group)]
    text = "; ".join(dict.fromkeys(clauses))
    return text[0].upper() + text[1:]


def by_verdict(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The comparisons with each verdict."""
    found: dict[str, list[Row]] = {kind: [] for kind in ("above", "below", "no effect", "cannot tell", "not run")}
    for row in rows:
        found[row["verdict"]].append(row)
    return found


def _means_said(_: Question, group: Group) -> list[str]:
    rows, metric = group["comparisons"], metric_of(group)
    one, other, kinds = group["one"], group["other"], by_verdict(rows)
    above, below, unclear = kinds["above"], kinds["below"], [*kinds["cannot tell"], *kinds["not run"]]
    of = f" of {len(rows)} comparisons"
    if above and below:
        return [f"{one} has a higher {metric} than {other} in {len(above)} and a lower one in {len(below)}{of}"]
    if above or below:
        where = f" in {len(above or below)}{of}" if len(rows) > 1 else ""
        return [f"{one} has a {'higher' if above else 'lower'} {metric} than {other}{where}"]
    if unclear:
        where = f" in {len(unclear)}{of}" if len(unclear) < len(rows) else ""
        return [f"cannot tell {one} from {other} by {metric}{where}"]
    return [f"no difference in {metric} above {largest_bound(rows, group)} between {one} and {other}"]


def _dial_said(question: Question, group: Group) -> list[str]:
    dial, metric = question["dial"], metric_of(group)
    methods: dict[str, list[Row]] = {}
    for row in sorted(group["comparisons"], key=lambda row: dial["values"][row["one"]["regime"]]):
        methods.setdefault(row["one"]["method"], []).append(row)
    clauses, rest = [], dict(methods)
    for kind, verb in (("below", "lowers"), ("above", "raises")):
        moved = {}
        for method, rows in methods.items():
            if any(row["verdict"] == kind for row in rows):
                moved[method] = _from_where(rows, kind, dial)
                rest.pop(method, None)
        if moved:
            clauses.append(f"{dial['name']} {verb} the {metric} of {listed(f'{m} ({w})' for m, w in moved.items())}")
    same = {m: rows for m, rows in rest.items() if all(row["verdict"] == "no effect" for row in rows)}
    if same:
        bound = largest_bound([row for rows in same.values() for row in rows], group)
        clauses.append(f"{dial['name']} changes the {metric} of {listed(same)} by no more than {bound}")
    if unclear := [method for method in rest if method not in same]:
        clauses.append(f"cannot tell what {dial['name']} does to the {metric} of {listed(unclear)}")
    return clauses


def _from_where(rows: list[Row], kind: str, dial: dict[str, Any]) -> str:
    """Where on the dial a verdict holds: `from 2`, if also everywhere above, or `at 1, 4`. `rows` in its order."""
    there = [row["verdict"] == kind for row in rows]
    values = [f"{dial['values'][row['one']['regime']]:g}" for row in rows]
    first = there.index(True)
    if all(there[first:]) and len(there) - first > 1:
        return f"from {values[first]}"
    return "at " + ", ".join(value for value, yes in zip(values, there, strict=True) if yes)


def _variances_said(_: Question, group: Group) -> list[str]:
    kinds, clauses = by_verdict(group["comparisons"]), []
    one, other = group["one"], group["other"]
    for kind, word in (("below", "smaller"), ("above", "larger")):
        if kinds[kind]:
            share = listed(f"{row['one']['method']} ({share_of(row)})" for row in kinds[kind])
            clauses.append(f"{one} has a {word} variance than {other} for {share}")
    if same := kinds["no effect"]:
        bound = rounded_up(max(row["bound"] for row in same))
        clauses.append(f"both variances are the same to a factor of {bound} for {listed(method_of(same))}")
    if kinds["cannot tell"]:
        share = listed(f"{row['one']['method']} ({share_of(row)})" for row in kinds["cannot tell"])
        clauses.append(f"cannot tell the variance of {one} from that of {other} for {share}")
    if kinds["not run"]:
        clauses.append(f"cannot tell for {listed(method_of(kinds['not run']))}, where runs are too few")
    return clauses


def paragraph(question: Question) -> list[str]:
    """Sentences on what is established, bounded or cannot be told, by group; on collapses and missing seeds."""
    sentences = []
    for group in question["groups"]:
        sentences += _group_said(question, group)
    return [*sentences, *_collapses(question), *_seeds(question)]


def _group_said(question: Question, group: Group) -> list[str]:
    rows, kinds = group["comparisons"], by_verdict(group["comparisons"])
    variances = question["compares"] == "variances"
    name = naming(question)
    lead = f"{metric_of(group)[0].upper()}{metric_of(group)[1:]}, {group['one']} against {group['other']}"
    if variances:
        lead = f"Variance of {group['one']} as a share of that of {group['other']}"
    said = []
    if sure := sorted([*kinds["above"], *kinds["below"]], key=lambda row: row["effect"]):
        said.append(f"established in {len(sure)} of {len(rows)}: {_effects(sure, group, name, variances)}")
    if same := kinds["no effect"]:
        limit = f"a factor above {rounded_up(max(row['bound'] for row in same))}" if variances else ""
        limit = limit or f"difference above {largest_bound(same, group)}"
        said.append(f"no {limit} by equivalence tests in {len(same)}: {few(same, name)}")
    if unclear := kinds["cannot tell"]:
        said.append(f"cannot tell in {len(unclear)}{would_see(unclear, group, question)}: {few(unclear, name)}")
    needs: dict[str, list[Row]] = {}
    for row in kinds["not run"]:
        needs.setdefault(row["needs"], []).append(row)
    said += [f"not compared: {few(lost, name)} (needs {reason})" for reason, lost in needs.items()]
    return [f"{lead}: {'; '.join(said)}."]


def _effects(rows: list[Row], group: Group, name: Callable[[Row], str], variances: bool) -> str:
    """Effects with their intervals; of many, the smallest and the largest. `rows` are sorted by effect."""
    said = [f"{share_of(row) if variances else effect_of(row, group)} for {name(row)}" for row in rows]
    return "from " + " to ".join([said[0], said[-1]]) if len(said) > MOST else ", ".join(said)


def would_see(rows: list[Row], group: Group, question: Question) -> str:
    """What a repetition would establish in each of these comparisons, or why it would not."""
    visible = [row["detectable"] for row in rows]
    if any(value is None for value in visible):
        fewest = min(row["n"] for row in rows)
        return f" ({fewest} seed{'s' if fewest != 1 else ''} can establish nothing in a family of {question['family']})"
    power = f"at {100 * question['power']:g} % power"
    if question["compares"] == "variances":
        return f" (would see a factor of {rounded_up(max(visible))} {power})"
    if group["unit"] == "points" and max(visible) > 1:
        return " (runs differ too much for any difference to be seen)"
    return f" (would see {rounded_up(max(visible) * group['shown'])} {group['unit']} {power})"


def _collapses(question: Question) -> list[str]:
    arms = {(arm["task"], arm["regime"], arm["method"]): arm for arm in question["arms"] if arm["of"]}
    if not arms:
        return []
    fallen = sorted((arm for arm in arms.values() if arm["collapsed"]), key=lambda arm: -arm["collapsed"] / arm["of"])
    if not fallen:
        return ["No run of these arms has collapsed."]
    said = [f"{arm['method']} {arm['task']} {arm['regime']} {arm['collapsed']} of {arm['of']}" for arm in fallen[:MOST]]
    more = f" and {len(fallen) - MOST} more arms" if len(fallen) > MOST else ""
    left = (
        "Variances are without them."
        if question["compares"] == "variances"
        else "Means hide that: the table has medians."
    )
    return [f"Collapsed runs: {', '.join(said)}{more}. {left}"]


def _seeds(question: Question) -> list[str]:
    rows = [row for group in question["groups"] for row in group["comparisons"] if row["verdict"] != "not run"]
    short = [row for row in rows if row["n"] < question["seeds"]]
    if not short or question["compares"] == "variances":  # which leave out collapsed runs
        return []
    name = naming(question)
    said = [f"{name(row)} ({row['n']})" for row in short[:MOST]]
    more = f" and {len(short) - MOST} more" if len(short) > MOST else ""
    return [f"On fewer than {question['seeds']} seeds: {', '.join(said)}{more}."]


def rule(question: Question) -> str:
    """The policies that an answer is about, and how it was made."""
    rows = [row for group in question["groups"] for row in group["comparisons"]]
    scale = " and ".join(dict.fromkeys(row["scale"] for row in rows))
    test = "Bonett's test of two variances" if question["compares"] == "variances" else "the two-sided sign-flip test"
    size = question["family"]
    family = f"p of {test}, by Holm's method over {size} comparison{'s' if size != 1 else ''}"
    return (
        f"Policies of {scale}; {100 * question['confidence']:g} % intervals, not corrected for their number; {family}."
    )


def metric_of(group: Group) -> str:
    return METRICS.get(group["metric"], group["metric"].replace("_", " "))


def largest_bound(rows: list[Row], group: Group) -> str:
    """The bound that holds for all of these comparisons: never rounded down."""
    return f"{rounded_up(max(row['bound'] for row in rows) * group['shown'])} {group['unit']}"


def effect_of(row: Row, group: Group) -> str:
    digits = 1 if group["shown"] == 100 else 3
    value = interval(row["effect"], row["low"], row["high"], group["shown"], digits, signed=True)
    return f"{value} {group['unit']}"


def share_of(row: Row) -> str:
    """A ratio of variances as a share, with its interval: `21 % [8, 50]`."""
    return interval(row["effect"], row["low"], row["high"], 100, 0).replace(" [", " % [", 1)


def naming(question: Question) -> Callable[[Row], str]:
    """A function that names a comparison by what differs between those of the question."""
    rows = [row for group in question["groups"] for row in group["comparisons"]]
    tasks = len({row["one"]["task"] for row in rows}) > 1
    places = len({(row["one"]["task"], row["one"]["regime"]) for row in rows}) > 1

    def name(row: Row) -> str:
        one, other = row["one"], row["other"]
        if one["regime"] != other["regime"]:
            return f"{one['method']} {one['regime']}"
        where = [*([one["task"]] if tasks else []), *([one["regime"]] if places else [])]
        return f"{one['method']} − {other['method']}" + (f" ({' '.join(where)})" if where else "")

    return name


def method_of(rows: list[Row]) -> list[str]:
    return [row["one"]["method"] for row in rows]


def few(rows: list[Row], name: Callable[[Row], str]) -> str:
    """The names of these comparisons; of many, some and how many more."""
    said = [name(row) for row in rows]
    return ", ".join(said[:MOST]) + (f" and {len(said) - MOST} more" if len(said) > MOST else "")
