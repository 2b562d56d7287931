"""Scene: the lab of a run, what watches it, and what its moves and acts share. Blocking; one thread at a time
changes it, the live view only reads.
"""
import time

from live.book import Book
from live.sources import DEMO, Feed

PAIRS = (("web", "cart"), ("web", "ads"), ("cart", "pay"), ("mallory", "pay"))
DIRECT, CAPTURED = (("web", "cart"),), (("web", "ads"), ("cart", "pay"))
LOADED = ("web", "cart", "mallory")


class Scene:
    """What the acts share."""

    def __init__(self, lab, play):
        self.lab, self.play = lab, play
        self.book = self.feed = None
        self.before, self.after, self.after_rows = {}, {}, []
        self.meshed_since = None  # when the last readable frame was gone
        self.is_meshed = self.is_denied = False

    def open(self):
        """Empty when the lab is up and watched, else why not."""
        trouble = self.lab.up(DEMO)
        if not trouble:
            self.book = Book(self.lab.pods(), PAIRS)
            self.feed = Feed(self.lab, self.book, LOADED)
            self.feed.start()
        return trouble

    def close(self):
        if self.feed:
            self.feed.stop()
        return self.lab.down()

    def is_enrolled(self):
        """Every node is whole, with all of its pods in the mesh."""
        nodes = [pod.node for pod in self.book.pods.values()]
        return all(self.lab.is_whole(node, nodes.count(node)) for node in set(nodes))

    def apply(self, file):
        return self.lab.lab("apply", DEMO / file)

    def rows(self):
        return {(row.source, row.to): row for row in self.book.rows(time.monotonic())}

    def path(self, source, to):
        row = self.rows().get((source, to))
        return row.path if row else "-"

    def flows(self, pairs):
        """In the last second every pair had answers of pods, if only of their faults, and hardly lost one."""
        since = time.monotonic() - 1.0
        calls = [self.book.calls(pair, since) for pair in pairs]
        return all(some and 100 * sum(call.pod == "" for call in some) <= len(some) for some in calls)

    def failures(self, pairs, since):
        return {f"{call.outcome} {source} > {to}" for source, to in pairs
                for call in self.book.calls((source, to), since) if not call.is_ok}

    def count_failures(self, pair, since):
        return sum(not call.is_ok for call in self.book.calls(pair, since))
