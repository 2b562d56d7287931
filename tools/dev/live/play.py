"""Play: what a run says and counts: steps with the commands they stand for, expectations held or failed.

Whoever runs the acts calls it; a listener (plain text or the live view) shows the lines. Waiting ends at
once, with Ended, when the run is told to end.
"""
import threading
import time


class Ended(Exception):
    """The run was told to end."""


class Play:
    def __init__(self, show=None):
        self.held = self.failed = 0
        self.lines = []
        self.is_over = threading.Event()
        self.began = time.monotonic()
        self._show = show or (lambda line: None)

    def line(self, text):
        self.lines.append(text)
        self._show(text)

    def step(self, title, *commands):
        if self.lines:
            self.line("")
        self.line(title)
        for command in commands:
            self.line(f"  $ {command}")

    def note(self, text):
        self.line(f"     {text}")

    def expect(self, what, holds, seen=""):
        self.held, self.failed = self.held + bool(holds), self.failed + (not holds)
        self.line(f"  {'ok ' if holds else 'NOT'} {what}" + (f": {seen}" if seen != "" else ""))
        return bool(holds)

    def wait(self, seconds):
        if self.is_over.wait(max(0.0, seconds)):
            raise Ended

    def wait_for(self, condition, seconds=15.0):
        """Seconds until the condition held, or None."""
        began = time.monotonic()
        while True:
            if condition():
                return time.monotonic() - began
            if time.monotonic() - began >= seconds:
                return None
            self.wait(0.05)

    def verdict(self):
        return f"run: {self.held} held, {self.failed} failed"
