"""Director: runs the acts one after another in a thread of its own, and between them the moves of keys."""
import queue
import threading
import time

from live import acts
from live.play import Ended

DWELL = 6.0  # seconds to look at what an act did


class Director(threading.Thread):
    def __init__(self, scene):
        super().__init__(daemon=True)
        self.scene = scene
        self.title = "starting two nodes and six pods"
        self.state = ""
        self.is_paused = False
        self.is_played = False  # every act was
        self.error = None
        self._moves, self._next = queue.Queue(), threading.Event()

    def ask(self, move):
        self._moves.put(move)

    def skip(self):
        self._next.set()

    def run(self):
        try:
            if self.open():
                self.play_all()
        except Ended:
            pass
        except Exception as error:  # shown by the main thread once the terminal is whole again
            self.error = error
            self.scene.play.is_over.set()

    def open(self):
        play = self.scene.play
        play.step("Two nodes, six pods, no mesh yet", "lab up --manifests tools/dev/demo")
        trouble = self.scene.open()
        if not play.expect("the lab is up", not trouble, trouble):
            play.is_over.set()
        return not trouble

    def play_all(self):
        for number, (title, act) in enumerate(acts.ACTS, 1):
            self.title, self.state = f"{number}/{len(acts.ACTS)} {title}", ""
            self._next.clear()
            act(self.scene)
            if number < len(acts.ACTS):
                self.dwell()
        self.is_played, self.state = True, "all played: keys are yours"
        while True:
            self.serve(1.0)

    def dwell(self):
        until = time.monotonic() + DWELL
        while not self._next.is_set():
            left = until - time.monotonic()
            if left <= 0 and not self.is_paused:
                return
            self.state = "paused" if self.is_paused else f"next act in {max(0, left):.0f} s"
            if self.serve(0.2):
                until = time.monotonic() + DWELL

    def serve(self, seconds):
        """Makes the next move that a key asked for; false when there was none."""
        try:
            move = self._moves.get_nowait()
        except queue.Empty:
            self.scene.play.wait(seconds)
            return False
        self.state = ""
        move(self.scene)
        return True
