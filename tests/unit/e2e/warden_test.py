"""A run's cluster is taken down however the run ends, unless it is kept."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from harness import warden
from harness.trouble import Trouble
from harness.versions import HERE

RUN = """\
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from harness import warden
with warden.watching("a", is_kept=False, program=sys.argv[2]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


class WardenTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.calls = self.folder / "calls"
        os.mkfifo(self.calls)
        # Read and write: opening does not wait for the other side.
        self.reader = os.open(self.calls, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, self.reader)

    def program(self, status=0):
        path = self.folder / "cluster"
        path.write_text("import sys\n"
                        f"open({str(self.calls)!r}, 'w').write(' '.join(sys.argv[1:]))\n"
                        f"sys.exit({status})\n")
        return path

    def called(self):
        try:
            return os.read(self.reader, 1000).decode()
        except BlockingIOError:
            return ""

    def test_takes_down_at_the_end_of_the_block(self):
        with warden.watching("a", is_kept=False, program=self.program()):
            self.assertEqual(self.called(), "")
        self.assertEqual(self.called(), "--name a down")

    def test_takes_down_when_the_block_fails(self):
        with self.assertRaises(ZeroDivisionError):
            with warden.watching("a", is_kept=False, program=self.program()):
                raise ZeroDivisionError
        self.assertEqual(self.called(), "--name a down")

    def test_what_is_kept_stays(self):
        with warden.watching("a", is_kept=True, program=self.program()):
            pass
        self.assertEqual(self.called(), "")

    def test_takes_down_after_kill_9(self):
        done = subprocess.run([sys.executable, "-c", RUN, str(HERE), str(self.program())], check=False)
        self.assertEqual(done.returncode, -9)
        os.set_blocking(self.reader, True)
        self.assertEqual(self.called(), "--name a down")

    def test_what_would_not_go_down_is_told(self):
        with self.assertRaisesRegex(Trouble, "could not be taken down"):
            with warden.watching("a", is_kept=False, program=self.program(status=1)):
                pass


if __name__ == "__main__":
    unittest.main()
