"""The check of emulated programs, with a made-up emulator: none has to be installed for the tests."""
import pathlib
import tempfile
import unittest

from image import archive, check, contents, layer
from image.trouble import Trouble

IMAGE = contents.Image("keelson-try", "made up", ("cmp",), contents.PLAIN_USER, (), foreign=("/usr/sbin/other",))
ABOUT = archive.About("localhost/keelson-try:0.1.0", "amd64", 1_700_000_000, "0.1.0", "none")
EMULATOR = """#!/bin/sh
[ "$1" = -L ] && [ "$3" = "$2/${{3#$2/}}" ] && [ "$4" = --version ] || exit 9
case "$3" in
  */cmp) echo 'cmp {own}'; echo more ;;
  *) echo '{other}' ;;
esac
exit {status}
"""


class Versions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        tree = layer.Tree()
        program = pathlib.Path("/usr/bin/cmp").read_bytes()
        for path in check.programs(IMAGE):
            tree.add_file(path, program, 0o755)
        packed, _ = archive.write(IMAGE, ABOUT, [layer.make(tree, ABOUT.epoch)])
        (self.folder / "try.tar").write_bytes(packed)

    def ask(self, own="0.1.0", other="other v7.1.0", status=0, arch="amd64"):
        emulator = self.folder / "emulator"
        emulator.write_text(EMULATOR.format(own=own, other=other, status=status))
        emulator.chmod(0o755)
        return check.versions(IMAGE, self.folder / "try.tar", f"{self.folder}/root", arch, "0.1.0", str(emulator))

    def test_every_program_of_the_image_is_asked(self):
        self.assertEqual({"/usr/bin/cmp": "cmp 0.1.0", "/usr/sbin/other": "other v7.1.0"}, self.ask())

    def test_what_is_wrong_is_named(self):
        for wanted, case in (("/usr/bin/cmp of try.tar says 'cmp 0.2.0', not 0.1.0", {"own": "0.2.0"}),
                             ("/usr/sbin/other of try.tar says 'what', not a version", {"other": "what"}),
                             ("/usr/bin/cmp --version ended with 3", {"status": 3}),
                             ("is an image for amd64, not for arm64", {"arch": "arm64"})):
            with self.subTest(wanted), self.assertRaisesRegex(Trouble, wanted):
                self.ask(**case)

    def test_a_missing_emulator_is_named_with_the_fix(self):
        with self.assertRaisesRegex(Trouble, "no none-static: tools/setup tools/images/packages.txt"):
            check.versions(IMAGE, self.folder / "try.tar", f"{self.folder}/root", "amd64", "0.1.0", "none-static")
