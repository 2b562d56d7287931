"""main: what the words of the command line choose."""
import unittest

from ladder import main

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


if __name__ == "__main__":
    unittest.main()
