"""Progress: one line a step with the seconds since the start; waits have a limit and tell what they wait for."""
import contextlib
import time

from harness.trouble import Trouble

POLL_SECONDS = 0.1
TELL_SECONDS = 5.0  # a wait that lasts tells so this often


class Progress:
    def __init__(self, title, clock=time.monotonic, sleep=time.sleep, say=print):
        self._title, self._clock, self._sleep, self._say = title, clock, sleep, say
        self._began = clock()

    def seconds(self):
        return self._clock() - self._began

    def tell(self, text):
        self._say(f"{self._title} {self.seconds():6.1f} s  {text}", flush=True)

    @contextlib.contextmanager
    def step(self, text):
        self.tell(text)
        began = self._clock()
        yield
        if self._clock() - began >= TELL_SECONDS:
            self.tell(f"{text}: {self._clock() - began:.1f} s")

    def wait(self, what, seconds_max, attempt):
        """Calls `attempt` until it returns something true, which is the answer; it may return a reason why not yet as
        the second of two values: (value, reason)."""
        began = told = self._clock()
        while True:
            value, reason = split(attempt())
            if value:
                return value
            now = self._clock()
            if now - began >= seconds_max:
                raise Trouble(f"waited {seconds_max:.0f} s for {what}: {reason or 'it did not come'}")
            if now - told >= TELL_SECONDS:
                self.tell(f"waiting for {what} ({now - began:.0f} s of at most {seconds_max:.0f} s) {reason}".rstrip())
                told = now
            self._sleep(POLL_SECONDS)


def split(answer):
    return answer if isinstance(answer, tuple) else (answer, "")
