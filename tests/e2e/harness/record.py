"""Record: what a cluster made on this machine, written down before it is made, so that `down` and the next `up` find
all of it, however the run that made it ended. Things are removed in reverse order and never looked for by pattern.

One JSON object a line in /run/keelson-e2e/NAME.record: {"kind": "netns", "thing": "keelson-e2e-default-hub"}.
"""
import json
import os
import pathlib
import shutil

from harness import cgroups
from harness.command import attempt
from harness.trouble import Trouble


class Record:
    def __init__(self, path):
        self._path = path

    def entries(self):
        if not self._path.exists():
            return []
        return [(entry["kind"], entry["thing"]) for entry in map(json.loads, whole_lines(self._path.read_text()))]

    def add(self, kind, thing):
        assert kind in REMOVERS
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "thing": str(thing)}) + "\n")

    def remove_all(self):
        """Removes everything that is written down and then the record; Trouble names what would not go."""
        left = []
        for kind, thing in reversed(self.entries()):
            if problem := REMOVERS[kind](thing):
                left.append(f"{kind} {thing}: {problem}")
        if left:
            raise Trouble("left behind (kept in " + f"{self._path}):\n  " + "\n  ".join(left))
        self._path.unlink(missing_ok=True)


def whole_lines(text):
    """Without a last line that was cut off: what it names had not been made yet."""
    return [line for line in text.split("\n")[:-1] if line]


def problem_of(*command):
    """Empty when the command did it, else why not."""
    code, _, error = attempt(*command)
    return "" if code == 0 else error.strip() or f"exit status {code}"


def remove_netns(name):
    return problem_of("ip", "netns", "del", name) if pathlib.Path("/run/netns", name).exists() else ""


def remove_tmpfs(path):
    problem = problem_of("umount", path) if os.path.ismount(path) else ""
    if not problem:
        shutil.rmtree(path, ignore_errors=True)
    return problem


REMOVERS = {"netns": remove_netns, "tmpfs": remove_tmpfs, "cgroup": cgroups.remove}
