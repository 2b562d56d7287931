"""main: what the words of the command line choose, and one run at a time."""
import pathlib
import tempfile
import unittest

from ladder import about, main

NAMES = ["same-node", "cross-node", "idle"]


class Selection(unittest.TestCase):
    def test_is_a_mode_and_names(self):
        for words, mode, names in ((["quick"], "quick", NAMES), (["full"], "full", NAMES),
                                   (["idle"], "quick", ["idle"]), (["full", "idle"], "full", ["idle"])):
            with self.subTest(words):
                chosen_mode, chosen = main.selection(words, NAMES)
                self.assertEqual((chosen_mode.name, chosen), (mode, names))

    def test_is_nothing_for_unknown_words(self):
        for words in ([], ["slow"], ["quick", "idel"]):
            with self.subTest(words):
                self.assertIsNone(main.selection(words, NAMES))


class WorkFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.results = pathlib.Path(folder.name) / "bench"

    def test_holds_nothing_of_a_run_that_was_killed_and_goes_with_its_own(self):
        (self.results / "work/bed").mkdir(parents=True)
        with self.assertRaises(KeyboardInterrupt), main.work_folder(self.results) as folder:
            self.assertFalse((folder / "bed").exists())
            (folder / "bed").mkdir(parents=True)
            raise KeyboardInterrupt
        self.assertFalse(folder.exists())

    def test_of_a_run_is_out_of_reach_of_a_second_one(self):
        with main.work_folder(self.results) as folder:
            (folder / "bed").mkdir(parents=True)
            with self.assertRaises(main.Broken), main.work_folder(self.results):
                self.fail("two runs at a time")
            self.assertTrue((folder / "bed").exists())


class Kernel(unittest.TestCase):
    def test_keeps_interrupts_apart_only_when_it_was_built_to(self):
        for text, expected in (("CONFIG_A=y\nCONFIG_IRQ_TIME_ACCOUNTING=y\n", True),
                               ("# CONFIG_IRQ_TIME_ACCOUNTING is not set\n", False),
                               ("CONFIG_HAVE_IRQ_TIME_ACCOUNTING_GEN=y\n", False), ("", False)):
            self.assertEqual(expected, about.keeps_interrupts_apart(text))


if __name__ == "__main__":
    unittest.main()
