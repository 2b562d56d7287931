"""Commands end within their time, and their errors carry what they said and where they ran."""
import os
import tempfile
import unittest

from harness.command import attempt, run
from harness.trouble import Trouble


class CommandTest(unittest.TestCase):
    def test_standard_input_is_text_or_a_file_or_nothing(self):
        self.assertEqual(run("cat", stdin="text"), "text")
        self.assertEqual(run("cat"), "")
        with tempfile.TemporaryFile() as file:
            file.write(b"file")
            file.seek(0)
            self.assertEqual(run("cat", stdin=file), "file")

    def test_an_environment_replaces_that_of_this_process(self):
        self.assertEqual(run("/bin/sh", "-c", "echo $CHOSEN", environment={"CHOSEN": "yes"}), "yes\n")

    def test_a_failure_names_the_command_its_folder_and_what_it_said(self):
        with self.assertRaisesRegex(Trouble, r"sh -c echo no >&2; exit 3 \(in /\): exit status 3: no$"):
            run("sh", "-c", "echo no >&2; exit 3", folder=os.sep)

    def test_what_takes_too_long_is_ended(self):
        code, _, error = attempt("sleep", "1000", seconds_max=0.05)
        self.assertEqual((code, error), (124, "did not end within 0.05 s"))

    def test_a_program_that_is_not_there_is_named(self):
        self.assertEqual(attempt("no-such-program-of-ours"), (127, "", "no-such-program-of-ours: no such program"))


if __name__ == "__main__":
    unittest.main()
