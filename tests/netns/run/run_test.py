"""make run as a whole, ended in the ways people end it: the terminal and the machine are as before."""
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("KEELSON_BIN", ROOT / "build/release/bin"))
PATIENCE = 40


def leftovers():
    found = [name for name in os.listdir("/run/netns") if name.startswith("keelson-lab-")] \
        if os.path.isdir("/run/netns") else []
    found += [str(path) for path in pathlib.Path("/run").glob("keelson-lab*")]
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "tools/dev/demo/" in command or "/run/keelson-lab/" in command:
            found.append(command)
    return found


class OnATerminal(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        self.assertEqual([], leftovers())
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        self.slave = os.fdopen(slave, "rb+", buffering=0)
        self.addCleanup(self.slave.close)
        termios.tcsetwinsize(self.slave, (24, 80))
        self.mode = termios.tcgetattr(self.slave)
        self.text = ""
        self.run = subprocess.Popen([ROOT / "tools/dev/run", BIN], stdin=self.slave, stdout=self.slave,
                                    stderr=self.slave,
                                    env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"}, start_new_session=True)
        self.addCleanup(self.end)

    def end(self):
        if self.run.poll() is None:
            os.kill(self.run.pid, signal.SIGKILL)
            self.run.wait()

    def read_until(self, what):
        """What the terminal got up to `what`."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(what, self.text):
            left = deadline - time.monotonic()
            self.assertTrue(left > 0 and select.select([self.master], [], [], left)[0],
                            f"{what} in {self.text[-2000:]}")
            self.text += os.read(self.master, 65536).decode(errors="replace")

    def assert_gone(self, exit_code):
        deadline = time.monotonic() + PATIENCE
        while self.run.poll() is None or leftovers():
            self.assertLess(time.monotonic(), deadline, leftovers())
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 65536).decode(errors="replace")
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode(errors="replace")
        self.assertEqual(exit_code, self.run.returncode, self.text[-3000:])

    def test_q_gives_the_terminal_back_and_ends_with_the_verdict(self):
        self.read_until(r"web +cart +plain")
        os.write(self.master, b"?")
        self.read_until(r"Every figure is observed")
        os.write(self.master, b"q")
        self.assert_gone(0)
        self.assertEqual(self.mode, termios.tcgetattr(self.slave))
        screen, after = self.text.split("\x1b[?25h\x1b[?1049l")
        self.assertRegex(after.strip().splitlines()[-1], r"^run: \d+ held, 0 failed$")
        self.assertNotRegex(self.text, "\x1b\\[[0-9]*m")  # NO_COLOR

    def test_a_hang_up_leaves_nothing(self):
        self.read_until(r"web +cart ")
        os.kill(self.run.pid, signal.SIGHUP)
        self.assert_gone(130)
        self.assertEqual(self.mode, termios.tcgetattr(self.slave))

    def test_kill_9_leaves_nothing(self):
        self.read_until(r"web +cart ")
        os.kill(self.run.pid, signal.SIGKILL)
        self.assert_gone(-signal.SIGKILL)
