"""bench: what a run is made of and what scenarios are given: programs, folder, mode, progress, notes, missing.

A scenario is a module scenario_*.py with NAME and run(bench), which returns lines as in results.json. One thread.
"""
import importlib
import pathlib
import sys
import time

from ladder import record

HERE = pathlib.Path(__file__).resolve().parent


class Bench:
    def __init__(self, bin_dir, mode, folder, out=sys.stdout):
        self.bin_dir = bin_dir
        self.mode = mode  # a plan.Mode
        self.folder = folder  # of this run alone, and gone with it
        self.out = out
        self.began = time.monotonic()
        self.record = record.Record(self.say)

    @property
    def client(self):
        return self.bin_dir / "keelson-load"

    @property
    def seconds(self):
        return time.monotonic() - self.began

    def say(self, text):
        """One line of progress, with the time since the start."""
        minutes, seconds = divmod(int(self.seconds), 60)
        print(f"[{minutes:2}:{seconds:02}] {text}", file=self.out, flush=True)

    def note(self, text):
        self.record.note(text)

    def miss(self, what, why):
        """`what` cannot be had; the run goes on without it."""
        self.record.miss(what, why)


def scenarios(folder=HERE):
    """NAME -> module, of every scenario in the folder."""
    modules = [importlib.import_module(f"ladder.{file.stem}") for file in sorted(folder.glob("scenario_*.py"))]
    return {module.NAME: module for module in modules}
