import os
import pty
import sys
import termios
import unittest
from unittest import mock

from live import terminal


class Screen(unittest.TestCase):
    def setUp(self):
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        self.slave = os.fdopen(slave, "rb+", buffering=0)
        self.addCleanup(self.slave.close)
        out = open(os.dup(self.slave.fileno()), "w")
        self.addCleanup(out.close)
        for name, stream in (("stdin", self.slave), ("stdout", out)):
            patched = mock.patch.object(sys, name, stream)
            patched.start()
            self.addCleanup(patched.stop)

    def shown(self):
        return os.read(self.master, 4096).decode()

    def test_the_terminal_is_given_back_after_a_crash(self):
        before = termios.tcgetattr(self.slave)
        with self.assertRaises(ZeroDivisionError):
            with terminal.Terminal():
                self.assertNotEqual(before, termios.tcgetattr(self.slave))
                self.assertEqual(terminal.ENTER, self.shown())
                raise ZeroDivisionError
        self.assertEqual(before, termios.tcgetattr(self.slave))
        self.assertEqual(terminal.LEAVE, self.shown())

    def test_keys_come_one_by_one_and_arrows_are_none(self):
        with terminal.Terminal() as screen:
            os.write(self.master, b"d")
            self.assertEqual("d", screen.keys(5))
            os.write(self.master, b"\x1b[A")
            self.assertEqual("", screen.keys(5))

    def test_a_frame_is_drawn_in_place(self):
        with terminal.Terminal() as screen:
            self.shown()
            screen.draw(["one", "two"])
            self.assertEqual("\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J", self.shown().replace("\r\r\n", "\r\n"))
