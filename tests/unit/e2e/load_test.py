"""A load is told to end until it hears it, and its report is read once it has ended."""
import types
import unittest

from harness.load import Load
from harness.progress import Progress


class FakePod:
    """Hears the third exec; then it ends."""

    def __init__(self):
        self.tries = 0

    def exec(self, *_, **__):
        self.tries += 1
        return (0, "") if self.tries == 3 else (1, "error dialing backend")

    def json(self, *_):
        return {"status": {"phase": "Succeeded" if self.tries >= 3 else "Running"}}

    def __call__(self, *_):
        return 'a line\n{"requests": 5}\n'


class EndTest(unittest.TestCase):
    def test_it_is_told_again_when_it_could_not_be_reached(self):
        pod, load = FakePod(), Load.__new__(Load)
        progress = Progress("e2e", sleep=lambda _: None)
        load.name, load._scenario = "load", types.SimpleNamespace(
            kubectl=pod, namespace="e2e-a", eventually=lambda what, attempt, most: progress.wait(what, most, attempt))
        self.assertEqual({"requests": 5}, load.end())
        self.assertEqual(3, pod.tries)


if __name__ == "__main__":
    unittest.main()
