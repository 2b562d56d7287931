"""record: what a run has found so far: lines with one sample a round, what is missing, notes. Written as results.json.

One thread. Judges nothing: see lines.py for how it is read and goals.py for what it means.
"""
import json

UNITS = {"rps": "1/s"}  # of a rung's metrics; every other one is a time
PROTOCOL = "h1"


def rung_id(group, variant, load, metric):
    return f"{group}/{variant}/c{load.connections}/{load.body}/{PROTOCOL}/{metric}"


def rung_line(group, variant, load, metric, samples):
    return {"id": rung_id(group, variant, load, metric), "group": group, "variant": variant,
            "connections": load.connections, "body": load.body, "protocol": PROTOCOL, "metric": metric,
            "unit": UNITS.get(metric, "us"), "samples": samples}


class Record:
    def __init__(self, say):
        self.say = say  # prints a line of progress
        self.lines = []
        self.missing = []
        self.notes = []

    def add(self, lines):
        self.lines += lines

    def note(self, text):
        self.say(text)
        self.notes.append(text)

    def miss(self, what, why):
        self.say(f"missing: {what}: {why.splitlines()[0]}")
        self.missing.append({"what": what, "why": why})

    def write(self, path, about):
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"about": about, "lines": self.lines, "missing": self.missing, "notes": self.notes}
        path.write_text(json.dumps(document, indent=1) + "\n")
