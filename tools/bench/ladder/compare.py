"""Two runs side by side: on how many lines the quartile ranges overlap. Pure functions to lines of text."""
from ladder import figures

OVERLAP_MIN = 0.9
ROUNDS_MIN = 3  # the quartiles of one or two values are no range


def overlap(one, other):
    return one.q1 <= other.q3 and other.q1 <= one.q3


def compare(before, after):
    """(overlapping, apart, without a range, in one run only): lists of ids."""
    same, apart, narrow = [], [], []
    for id_ in before.lines:
        if id_ not in after.lines:
            continue
        one, other = before.lines[id_].summary(), after.lines[id_].summary()
        if min(one.rounds, other.rounds) < ROUNDS_MIN:
            narrow.append(id_)
        else:
            (same if overlap(one, other) else apart).append(id_)
    return same, apart, narrow, sorted(before.lines.keys() ^ after.lines.keys())


def shown(line):
    found = line.summary()
    return f"{figures.digits(found.median)} {figures.quartiles(found.q1, found.q3)}"


def compose(before, after):
    """(lines of text, whether enough lines overlap)."""
    same, apart, narrow, single = compare(before, after)
    ranged = len(same) + len(apart)
    holds = ranged > 0 and len(same) >= OVERLAP_MIN * ranged
    lines = [f"quartile ranges overlap on {len(same)} of {ranged} lines"
             + (f" ({len(same) / ranged * 100:.1f} %)" if ranged else "")
             + f", at least {OVERLAP_MIN * 100:.0f} % are wanted: {'holds' if holds else 'does not hold'}"]
    if apart:
        lines += ["", f"{'APART':<58} {'A':<18} B"]
        lines += [f"{id_:<58} {shown(before.lines[id_]):<18} {shown(after.lines[id_])}" for id_ in apart]
    for title, ids in ((f"under {ROUNDS_MIN} rounds, no range to compare", narrow), ("in one of the runs only", single)):
        if ids:
            lines += ["", f"{title}: {len(ids)}", *(f"  {id_}" for id_ in ids)]
    return lines, holds
