"""What a cluster made is removed in reverse order, and what would not go stays written down."""
import pathlib
import tempfile
import unittest
from unittest import mock

from harness import record
from harness.trouble import Trouble


class RecordTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "run" / "a.record"
        self.record = record.Record(self.path)
        self.removed, self.problems = [], {}
        removers = {kind: lambda thing, kind=kind: self.remove(kind, thing) for kind in record.REMOVERS}
        patch = mock.patch.object(record, "REMOVERS", removers)
        patch.start()
        self.addCleanup(patch.stop)

    def remove(self, kind, thing):
        self.removed.append((kind, thing))
        return self.problems.get(thing, "")

    def test_removes_in_reverse_order_and_forgets(self):
        self.record.add("tmpfs", pathlib.Path("/run/a"))
        self.record.add("netns", "a-hub")
        self.record.add("cgroup", "/sys/fs/cgroup/a")
        self.record.remove_all()
        self.assertEqual(self.removed, [("cgroup", "/sys/fs/cgroup/a"), ("netns", "a-hub"), ("tmpfs", "/run/a")])
        self.assertFalse(self.path.exists())

    def test_nothing_written_down_is_nothing_to_remove(self):
        self.record.remove_all()
        self.assertEqual(self.removed, [])

    def test_goes_on_after_a_problem_names_it_and_keeps_the_record(self):
        self.record.add("netns", "a-hub")
        self.record.add("netns", "a-node1")
        self.problems["a-node1"] = "busy"
        with self.assertRaisesRegex(Trouble, "netns a-node1: busy"):
            self.record.remove_all()
        self.assertEqual(len(self.removed), 2)
        self.assertEqual(len(self.record.entries()), 2)

    def test_a_line_that_was_cut_off_names_nothing_made(self):
        self.record.add("netns", "a-hub")
        with open(self.path, "a", encoding="utf-8") as file:
            file.write('{"kind": "netns", "th')
        self.assertEqual(self.record.entries(), [("netns", "a-hub")])


if __name__ == "__main__":
    unittest.main()
