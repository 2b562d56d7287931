"""The budget file and the judgement of what was measured against it. Pure functions on plain values; runs nothing.

A file: {"measured_with": {name: version}, "operations": {name: {"instructions": figure, "why": reason}}}.
The margins are not the same: what costs more than 3 % fails soon; what costs less fails only where it is certainly no
noise, because then the budget has to follow. Two runs differ by less than 1 %: signatures are random, and the access
log's thread lives in real time.
"""
from dataclasses import dataclass

OVER = 0.03
UNDER = 0.05
NOISE = 0.01  # what update() does not rewrite a figure for

FINE, OVER_BUDGET, UNDER_BUDGET, NO_BUDGET, NOT_MEASURED, NO_REASON = (
    "fine", "OVER BUDGET", "lower the budget: --update", "NO BUDGET: --update, then say why", "NOT MEASURED",
    "NO REASON: write its `why`")


@dataclass(frozen=True)
class Verdict:
    name: str
    measured: int | None
    budget: int | None
    verdict: str

    @property
    def ratio(self):
        return self.measured / self.budget if self.measured is not None and self.budget else None

    @property
    def is_fine(self):
        return self.verdict == FINE


def judge_one(measured, entry):
    if entry is None:
        return NO_BUDGET
    if measured is None:
        return NOT_MEASURED
    if not entry.get("why"):
        return NO_REASON
    if measured > entry["instructions"] * (1 + OVER):
        return OVER_BUDGET
    if measured < entry["instructions"] * (1 - UNDER):
        return UNDER_BUDGET
    return FINE


def judge(measured, budgets):
    """A Verdict for each operation that is measured or has a budget, in the order of the measurement."""
    entries = budgets.get("operations", {})
    names = list(measured) + [name for name in entries if name not in measured]
    return [Verdict(name, measured.get(name), entries.get(name, {}).get("instructions"),
                    judge_one(measured.get(name), entries.get(name))) for name in names]


def version_differences(found, budgets):
    """Lines about what the figures were measured with and is now another."""
    before = budgets.get("measured_with", {})
    return [f"{name}: {before.get(name, 'unknown')} then, {found.get(name, 'unknown')} now"
            for name in sorted(before.keys() | found.keys()) if before.get(name) != found.get(name)]


def update(measured, found, budgets):
    """The budget file with these figures; reasons stay, figures that moved less than the noise too."""
    entries = budgets.get("operations", {})
    is_same_ground = not version_differences(found, budgets)
    operations = {}
    for name, figure in measured.items():
        entry = entries.get(name, {"instructions": 0, "why": ""})
        before = entry["instructions"]
        is_noise = is_same_ground and abs(figure - before) <= before * NOISE
        operations[name] = {"instructions": before if is_noise else figure, "why": entry["why"]}
    return {"measured_with": found, "operations": operations}


def table(verdicts):
    rows = [("operation", "measured", "budget", "ratio", "verdict")]
    for one in verdicts:
        rows.append((one.name, number(one.measured), number(one.budget),
                     f"{one.ratio:.3f}" if one.ratio is not None else "-", one.verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  "
                     f"{row[3]:>{widths[3]}}  {row[4]}"
                     for row in rows)


def number(figure):
    return "-" if figure is None else f"{figure:,}"
