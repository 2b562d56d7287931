"""Figures as text: three digits and a unit, for terminal, page and plots alike. Pure functions."""
STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
LARGER = {"ns": "us", "us": "ms", "ms": "s"}
SUFFIX = {"1/s": "/s", "1": "", "": ""}
RELATION = {"<=": "≤", ">=": "≥"}


def digits(value):
    """Three digits, at most six columns: 0.023, 1.23, 12.3, 123, 1.23k."""
    if value == 0:
        return "0"
    sign, size = ("-" if value < 0 else ""), abs(value)
    for step, letter in STEPS:
        if size >= step * 0.9995:
            scaled = size / step
            places = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{sign}{scaled:.{places}f}{letter}"
    return f"{sign}{size:.3f}" if size >= 0.0005 else f"{sign}{size:.0e}".replace("e-0", "e-")


def tick(value):
    """A figure on an axis: round, so without zeros behind the point."""
    text = digits(value)
    number, letter = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + letter


def with_unit(value, unit):
    if value is None:
        return "-"
    while unit in LARGER and abs(value) >= 999.5:
        value, unit = value / 1000, LARGER[unit]
    return digits(value) + SUFFIX.get(unit, unit)


def quartiles(q1, q3):
    """A letter that both have stands once: 57.4-58.0k."""
    low, high = digits(q1), digits(q3)
    if low[-1].isalpha() and low[-1] == high[-1]:
        low = low[:-1]
    return f"{low}-{high}" if q1 >= 0 else f"{low}..{high}"


def ratio(value):
    """Ratios stand against limits of two decimals: three decimals decide."""
    return f"{value:.3f}"


def share(value):
    return "-" if value is None else f"{value * 100:.0f}%"


def goal_figure(answer):
    if answer.figure is None:
        return "-"
    if answer.unit == "":
        return f"{answer.figure:.4f}"  # a share: 0.9989 is no 0.999
    return ratio(answer.figure) + "x" if answer.unit == "x" else with_unit(answer.figure, answer.unit)


def goal_quartiles(answer):
    if answer.q1 is None:
        return "-"
    if answer.unit == "x":
        return f"{ratio(answer.q1)}-{ratio(answer.q3)}"
    return quartiles(answer.q1, answer.q3)


def goal_limit(answer, sign=lambda relation: relation):
    return "-" if answer.limit is None else f"{sign(answer.relation)}{answer.limit:g}{answer.unit}"


def verdict(answer):
    """`~`: met or not, the limit lies within the quartiles."""
    if answer.met is None:
        return "not measured"
    if answer.relation == "stated":
        return "stated"
    return ("met" if answer.met else "not met") + (" ~" if answer.is_close else "")
