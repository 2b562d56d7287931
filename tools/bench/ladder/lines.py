"""Lines: what results.json holds, found by id. Pure but for load(); does not measure, judge or print.

A line of a rung is named GROUP/VARIANT/cCONNECTIONS/BODY/PROTOCOL/METRIC; every other id belongs to a scenario.
A document that is not as agreed is refused whole: half of a result would be taken for all of it.
"""
import fnmatch
import json
import math
import re
from dataclasses import dataclass, field

from ladder import stats

RUNG = re.compile(r"([^/]+)/([^/]+)/c([0-9]+)/([^/]+)/(h[0-9]+)/([^/]+)")
ORDER = ("none", "direct", "relay", "keelson-l4", "keelson-l7")  # then the peers by name


class Malformed(Exception):
    """results.json is not as agreed."""


@dataclass(frozen=True)
class Case:
    """What the variants of a group share when they are compared."""
    group: str
    connections: int
    body: str
    protocol: str

    def id(self, variant, metric):
        return f"{self.group}/{variant}/c{self.connections}/{self.body}/{self.protocol}/{metric}"

    def words(self):
        plural = "" if self.connections == 1 else "s"
        protocol = {"h1": "HTTP/1.1", "h2": "HTTP/2"}.get(self.protocol, self.protocol)
        body = self.body.replace("k", " KiB")
        return f"{self.group}, {self.connections} connection{plural}, {body}, {protocol}"


@dataclass(frozen=True)
class Line:
    id: str
    unit: str
    samples: tuple

    def summary(self):
        return stats.summary(self.samples)


@dataclass
class Results:
    about: dict = field(default_factory=dict)
    lines: dict = field(default_factory=dict)  # id -> Line, in the order of the run
    missing: list = field(default_factory=list)  # of (what, why)
    notes: list = field(default_factory=list)

    def matching(self, pattern):
        """Lines whose id fits; `*` stands for what a segment has in its place."""
        parts = re.compile("[^/]*".join(re.escape(part) for part in pattern.split("*")))
        return [line for id_, line in self.lines.items() if parts.fullmatch(id_)]

    def told(self, pattern):
        """What the run itself says about lines that it lacks."""
        return "; ".join(f"{what}: {why}" for what, why in self.missing if concerns(what, pattern))

    def why_missing(self, pattern):
        return self.told(pattern) or f"no line {pattern} in this run ({self.about.get('mode', 'mode not recorded')})"

    def cases(self):
        """Cases in the order of the run, with their variants: floor, ours, peers."""
        found = {}
        for id_ in self.lines:
            if rung := RUNG.fullmatch(id_):
                group, variant, connections, body, protocol, _ = rung.groups()
                found.setdefault(Case(group, int(connections), body, protocol), set()).add(variant)
        return {case: sorted(variants, key=place) for case, variants in found.items()}

    def scenarios(self):
        return [line for id_, line in self.lines.items() if not RUNG.fullmatch(id_)]


def place(variant):
    return (ORDER.index(variant) if variant in ORDER else len(ORDER), variant)


def is_ours(variant):
    return variant == "direct" or variant.startswith("keelson")


def concerns(what, pattern):
    """Whether a missing `what` (a line, a scenario, a variant, a peer with several variants) explains the pattern."""
    wanted, given = pattern.split("/"), what.split("/")
    is_start = len(given) <= len(wanted) and all(fnmatch.fnmatchcase(*pair) for pair in zip(given, wanted))
    return is_start or what in wanted or any(part.startswith(what + "-") for part in wanted[1:2])


def sample(value, id_):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Malformed(f"line {id_}: a sample is {value!r}")
    return float(value)


def parse(document):
    try:
        results = Results(dict(document["about"]), {},
                          [(str(entry["what"]), str(entry["why"])) for entry in document.get("missing", [])],
                          [str(note) for note in document.get("notes", [])])
        for entry in document["lines"]:
            id_ = entry["id"]
            if id_ in results.lines:
                raise Malformed(f"line {id_} is there twice")
            samples = tuple(sample(value, id_) for value in entry["samples"])
            if stats.measured(samples):
                results.lines[id_] = Line(id_, str(entry.get("unit", "")), samples)
            else:
                results.missing.append((id_, "measured in no round"))
        return results
    except (KeyError, TypeError, ValueError) as wrong:
        raise Malformed(f"results are not as agreed: {wrong!r}") from wrong


def load(path):
    try:
        return parse(json.loads(path.read_text()))
    except (OSError, json.JSONDecodeError) as wrong:
        raise Malformed(f"{path}: {wrong}") from wrong
