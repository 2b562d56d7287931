"""A run on a terminal: the live view, redrawn four times a second, and its keys. After it ends, the table and
the verdict are on the normal screen. Main thread; the acts run in the Director's.
"""
import os
import sys
import time

from live import acts, moves, screen
from live.book import Wire
from live.director import Director
from live.plain import finish, ignore_signals
from live.play import Play
from live.scene import Scene
from live.terminal import Terminal

FRAME = 0.25
EXIT_INTERRUPTED = 130
MOVES = {
    "m": lambda scene: moves.mesh_off(scene) if scene.is_meshed else moves.mesh_on(scene),
    "1": lambda scene: moves.canary_route(scene, 10),
    "5": lambda scene: moves.canary_route(scene, 50),
    "r": acts.rollback,
    "d": lambda scene: moves.undeny(scene) if scene.is_denied else moves.deny(scene),
    "a": lambda scene: moves.kill(scene, ["agent"]),
    "p": lambda scene: moves.kill(scene, ["proxy"]),
    "b": lambda scene: moves.kill(scene, ["agent", "proxy"]),
}


class Console:
    def __init__(self, scene, director):
        self.scene, self.director = scene, director
        self.overlay = ""  # "table", "help"
        self.is_over = False
        self.has_shown_table = False

    def press(self, key):
        director = self.director
        if key in "q\x03\x04":
            self.is_over = True
        elif key == " ":
            director.is_paused = not director.is_paused
        elif key == "n":
            director.skip()
        elif key in "t?":
            name = "table" if key == "t" else "help"
            self.overlay = "" if self.overlay == name else name
        elif key in MOVES and self.scene.book:
            self.overlay = ""
            director.ask(MOVES[key])

    def view(self, now):
        if self.director.is_played and not self.has_shown_table:
            self.has_shown_table, self.overlay = True, "table"
        book = self.scene.book
        wire = book.wire if book else Wire()
        overlay = {"table": [""] + acts.results(self.scene) + ["", self.scene.play.verdict(), "", "t: back"],
                   "help": screen.HELP}.get(self.overlay, ())
        return screen.View(
            act=self.director.title, state="paused" if self.director.is_paused else self.director.state,
            elapsed=now - self.scene.play.began, rows=book.rows(now) if book else [],
            wire="cart and pay", frames=[frame for frame in list(wire.latest) if "cart" in frame[:2]],
            frames_readable=wire.readable, is_readable=now - wire.last_readable < 1.0,
            lines=[line for line in self.scene.play.lines if line], overlay=list(overlay))


def run(lab):
    play = Play()
    scene = Scene(lab, play)
    director = Director(scene)
    console = Console(scene, director)
    colour = not os.environ.get("NO_COLOR")
    is_interrupted = False
    try:
        with Terminal() as terminal:
            director.start()
            while not console.is_over and not play.is_over.is_set():
                columns, lines = terminal.size()
                terminal.draw(screen.compose(console.view(time.monotonic()), columns, lines, colour))
                for key in terminal.keys(FRAME):
                    console.press(key)
    except KeyboardInterrupt:
        is_interrupted = True  # Ctrl-C, SIGTERM, SIGHUP
    finally:
        ignore_signals()
        close(scene, director)
    return EXIT_INTERRUPTED if is_interrupted else 0 if play.failed == 0 else 1


def close(scene, director):
    play = scene.play
    play.is_over.set()
    print("removing the lab ...", file=sys.stderr, flush=True)
    if director.is_alive():
        director.join(60)
    for line in play.lines:
        if line.startswith("  NOT "):
            print(line)
    finish(scene)
    if director.error:
        raise director.error
