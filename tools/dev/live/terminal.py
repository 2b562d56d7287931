"""Terminal: the alternate screen and single keys, given back whole however the block ends. Main thread."""
import os
import select
import sys
import termios
import tty

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
VDISABLE = b"\x00"  # Ctrl-Z would leave a stopped run on the alternate screen


class Terminal:
    def __init__(self):
        self.fd = sys.stdin.fileno()
        self.before = None

    def __enter__(self):
        self.before = termios.tcgetattr(self.fd)
        tty.setcbreak(self.fd)
        mode = termios.tcgetattr(self.fd)
        mode[6][termios.VSUSP] = VDISABLE
        termios.tcsetattr(self.fd, termios.TCSANOW, mode)
        self.write(ENTER)
        return self

    def __exit__(self, *_):
        try:
            self.write(LEAVE)
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self.before)
        except OSError:
            pass  # the terminal itself is gone

    def write(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def size(self):
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        return max(20, columns), max(8, lines)

    def draw(self, lines):
        self.write("\x1b[H" + "\r\n".join(line + "\x1b[K" for line in lines) + "\x1b[J")

    def keys(self, seconds):
        """What was typed within the time; an escape sequence (arrow keys) is no key of ours."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return ""
        typed = os.read(self.fd, 64).decode("ascii", "ignore")
        return "" if typed.startswith("\x1b") else typed
