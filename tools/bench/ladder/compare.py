"""Two runs side by side: on how many lines the quartile ranges overlap. Pure functions to lines of text.

What a run measures in turns with a reference is compared as ratio to it, round by round: between two runs the machine
itself is another one (the same line without any mesh was seen to move by 15 %), between neighbours in time it is not.
A reference says what the machine was like and has nothing to be compared with. Lines without one are compared as they
are.

Two runs of the same thing do not always overlap: the chance is 66 % with 3 rounds, 79 % with 5, 91 % with 7, 98 % with
11 and 99 % with 15 (Gaussian samples, quartiles of stats.py). So `quick` has 15 rounds of a rung and 11 or more of most
scenarios; `full`, with its six cases, has nine.
"""
import fnmatch

from ladder import figures, lines, stats

OVERLAP_MIN = 0.9
ROUNDS_MIN = 3  # the quartiles of one or two values are no range
REFERENCES = (  # of scenarios: pattern of a line, line that was measured in turns with it
    ("policy-scale/*/connect_cpu", "policy-scale/rules10/connect_cpu"),
    ("policy-scale/*/connect_p50", "policy-scale/rules10/connect_p50"),
    ("handshake/*/cpu", "handshake/openssl/cpu"),
    ("fairness/*/p99", "fairness/alone/p99"),
    ("workers/*/rps", "workers/one/rps"),
)


def reference(id_):
    """The line that this one is measured against, which may be itself; nothing when there is none."""
    if rung := lines.RUNG.fullmatch(id_):
        group, _, connections, body, protocol, metric = rung.groups()
        metric = metric.replace("cpu_proxies", "cpu_all")  # there is no proxy without a mesh
        return f"{group}/none/c{connections}/{body}/{protocol}/{metric}"
    return next((base for pattern, base in REFERENCES if fnmatch.fnmatchcase(id_, pattern)), None)


def judged(results, id_, base):
    """The Summary of a line as it is compared: as ratio to its base, if it has one; nothing when no round has both."""
    if base is None:
        return results.lines[id_].summary()
    try:
        return stats.summary(stats.ratios(results.lines[id_].samples, results.lines[base].samples))
    except stats.NoPairs:
        return None


def overlap(one, other):
    return one.q1 <= other.q3 and other.q1 <= one.q3


class Comparison:
    """Ids by what became of them; `apart` with the Summaries of both runs."""

    def __init__(self, before, after):
        self.same, self.apart, self.narrow, self.references, self.unpaired = [], {}, [], [], []
        self.single = sorted(before.lines.keys() ^ after.lines.keys())
        for id_ in before.lines:
            if id_ in after.lines:
                self.place(id_, before, after)

    def place(self, id_, before, after):
        base = reference(id_)
        if base == id_:
            self.references.append(id_)
            return
        if base is not None and not (base in before.lines and base in after.lines):
            self.unpaired.append(id_)
            return
        one, other = judged(before, id_, base), judged(after, id_, base)
        if one is None or other is None:
            self.unpaired.append(id_)
        elif min(one.rounds, other.rounds) < ROUNDS_MIN:
            self.narrow.append(id_)
        elif overlap(one, other):
            self.same.append(id_)
        else:
            self.apart[id_] = one, other

    @property
    def ranged(self):
        return len(self.same) + len(self.apart)

    @property
    def holds(self):
        return self.ranged > 0 and len(self.same) >= OVERLAP_MIN * self.ranged


def as_measured(before, after):
    """(overlapping, all) of the lines as they were measured, references among them: mostly about the machine."""
    pairs = [(before.lines[id_].summary(), after.lines[id_].summary()) for id_ in before.lines if id_ in after.lines]
    wide = [(one, other) for one, other in pairs if min(one.rounds, other.rounds) >= ROUNDS_MIN]
    return sum(overlap(one, other) for one, other in wide), len(wide)


def shown(found):
    return f"{figures.digits(found.median)} {figures.quartiles(found.q1, found.q3)}"


def share(part, whole):
    return f"{part} of {whole} lines" + (f" ({part / whole * 100:.1f} %)" if whole else "")


def compose(before, after):
    """(lines of text, whether enough lines overlap)."""
    found = Comparison(before, after)
    text = [f"quartile ranges overlap on {share(len(found.same), found.ranged)}, at least {OVERLAP_MIN * 100:.0f} % "
            f"are wanted: {'holds' if found.holds else 'does not hold'}",
            f"as measured, without the ratio to what was measured in turns: {share(*as_measured(before, after))}"]
    if found.apart:
        text += ["", f"{'APART':<58} {'A':<18} B"]
        text += [f"{id_:<58} {shown(one):<18} {shown(other)}" for id_, (one, other) in found.apart.items()]
    for title, ids in (("references, which the others are compared by", found.references),
                       ("without a round that both runs have together with the reference", found.unpaired),
                       (f"under {ROUNDS_MIN} rounds, no range to compare", found.narrow),
                       ("in one of the runs only", found.single)):
        if ids:
            text += ["", f"{title}: {len(ids)}", *(f"  {id_}" for id_ in ids)]
    return text, found.holds
