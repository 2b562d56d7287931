"""A run without a terminal: one line for each step as it happens, then the table and the verdict."""
import signal

from live import acts
from live.play import Play
from live.scene import Scene


def show(line):
    print(line, flush=True)


def run(lab):
    play = Play(show)
    scene = Scene(lab, play)
    try:
        play.step("Two nodes, six pods, no mesh yet", "lab up --manifests tools/dev/demo")
        trouble = scene.open()
        if play.expect("the lab is up", not trouble, trouble):
            for _, act in acts.ACTS:
                act(scene)
    except KeyboardInterrupt:
        play.expect("the run was not interrupted", False)
    finally:
        finish(scene)
    return 0 if play.failed == 0 else 1


def ignore_signals():
    """What follows removes the lab, and is bounded: a second Ctrl-C shall not stop it half way."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def finish(scene):
    ignore_signals()
    play = scene.play
    lines = acts.results(scene) if scene.before else []
    play.is_over.set()
    if scene.lab.is_ours:
        play.step("Everything is removed", "lab down")
        left = scene.close()
        play.expect("nothing of the lab is left", not left, left)
    print("\n".join(["", *lines, *([""] if lines else []), play.verdict()]), flush=True)
