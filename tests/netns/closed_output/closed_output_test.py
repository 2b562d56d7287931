"""A program whose log nobody reads any more goes on, and ends when it is told to.

Found by review: a container runtime that restarts, or `keelson-l7 2>&1 | head`, ended the data path by SIGPIPE.
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ.get("KEELSON_BIN", "build/release/bin"))
PATIENCE = 20  # seconds


@contextlib.contextmanager
def unread(program, *arguments):
    """The program, with standard output and error that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen([BIN / program, *arguments], stdout=writer, stderr=writer) as process:
        os.close(writer)
        try:
            yield process
        finally:
            process.kill()


def takes_sigterm(pid):
    """Whether the process catches the signal or reads it from a descriptor."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith(("SigCgt", "SigBlk")))
    return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks.values())


def wait_until_it_takes_sigterm(process):
    end = time.monotonic() + PATIENCE
    while process.poll() is None and not takes_sigterm(process.pid):
        if time.monotonic() > end:
            raise AssertionError(f"{process.args[0]} does not take SIGTERM after {PATIENCE} s")
        time.sleep(0.01)


class ClosedOutput(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_hold_and_the_proxy_go_on_until_they_are_told_to_end(self):
        for program, more in (("keelson-hold", ()), ("keelson-l7", ("--allow-capabilities",))):
            with self.subTest(program), unread(program, "--run-dir", self.folder, *more) as process:
                wait_until_it_takes_sigterm(process)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(0, process.wait(PATIENCE))

    def test_an_agent_that_cannot_start_ends_for_that_reason(self):
        folders = ("--manifests", self.folder, "--run-dir", self.folder, "--state-dir", self.folder)
        with unread("keelson-agent", "--node", "n1", *folders, "--pin-dir", self.folder + "/none") as process:
            self.assertEqual(1, process.wait(PATIENCE))


if __name__ == "__main__":
    unittest.main()
