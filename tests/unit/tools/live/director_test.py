import threading
import unittest
from unittest import mock

from live import acts, director
from live.play import Play

PATIENCE = 20


class Scene:
    """A scene without a lab: notes what happens in order."""

    def __init__(self, trouble=""):
        self.play, self.trouble, self.seen = Play(), trouble, []
        self.news = threading.Condition()

    def open(self):
        return self.trouble

    def note(self, what):
        with self.news:
            self.seen.append(what)
            self.news.notify_all()

    def wait_for(self, seen):
        with self.news:
            if not self.news.wait_for(lambda: self.seen == seen, PATIENCE):
                raise AssertionError(f"{self.seen}, not {seen}")


def act(name):
    return name, lambda scene: scene.note(name)


class Director(unittest.TestCase):
    def direct(self, played, scene, dwell=1000.0, is_paused=False):
        for patch in (mock.patch.object(acts, "ACTS", played), mock.patch.object(director, "DWELL", dwell)):
            patch.start()
            self.addCleanup(patch.stop)
        thread = director.Director(scene)
        thread.is_paused = is_paused
        self.addCleanup(thread.join, PATIENCE)
        self.addCleanup(scene.play.is_over.set)
        thread.start()
        return thread

    def test_acts_follow_one_another_by_themselves(self):
        scene = Scene()
        self.direct((act("one"), act("two"), act("three")), scene, dwell=0.0)
        scene.wait_for(["one", "two", "three"])

    def test_a_key_moves_between_acts_and_n_goes_on(self):
        scene = Scene()
        thread = self.direct((act("one"), act("two")), scene)
        scene.wait_for(["one"])
        thread.ask(lambda scene: scene.note("key"))
        scene.wait_for(["one", "key"])
        thread.skip()
        scene.wait_for(["one", "key", "two"])

    def test_keys_work_after_the_last_act(self):
        scene = Scene()
        thread = self.direct((act("one"),), scene)
        scene.wait_for(["one"])
        thread.ask(lambda scene: scene.note("key"))
        scene.wait_for(["one", "key"])

    def test_a_pause_outlasts_the_dwell(self):
        scene = Scene()
        thread = self.direct((act("one"), act("two")), scene, dwell=0.0, is_paused=True)
        scene.wait_for(["one"])
        thread.ask(lambda scene: scene.note("key"))
        scene.wait_for(["one", "key"])
        thread.is_paused = False
        scene.wait_for(["one", "key", "two"])

    def test_a_lab_that_does_not_start_ends_the_run_as_failed(self):
        scene = Scene("a lab named keelson-lab is already up")
        self.direct((act("one"),), scene).join(PATIENCE)
        self.assertEqual((True, 1, []), (scene.play.is_over.is_set(), scene.play.failed, scene.seen))
        self.assertIn("already up", scene.play.lines[-1])

    def test_an_error_ends_the_run_and_is_kept(self):
        scene = Scene()
        thread = self.direct((("one", lambda scene: 1 / 0),), scene)
        thread.join(PATIENCE)
        self.assertIsInstance(thread.error, ZeroDivisionError)
        self.assertTrue(scene.play.is_over.is_set())
