"""The tests' own images are archives that a runtime loads, the same bytes each time."""
import json
import pathlib
import platform
import tarfile
import tempfile
import unittest
from unittest import mock

from harness import image, images
from harness.trouble import Trouble


class ImageTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name):
        program = self.folder / "program"
        program.write_bytes(b"\x7fELF")
        program.chmod(0o700)
        tree = image.layer.Tree()
        image.add_file(tree, "/usr/bin/program", program)
        tree.add_folder("/tmp", 0o1777)
        image.write(self.folder / name, "localhost/x:1", tree, "amd64", ["/usr/bin/program"], "65532")
        return self.folder / name

    def test_two_builds_are_the_same_bytes(self):
        self.assertEqual(self.write("a.tar").read_bytes(), self.write("b.tar").read_bytes())

    def test_the_manifest_names_the_image_and_the_config_the_layer(self):
        with tarfile.open(self.write("a.tar")) as archive:
            manifest = json.load(archive.extractfile("manifest.json"))[0]
            config = json.load(archive.extractfile(manifest["Config"]))
            layer = archive.extractfile("layer.tar").read()
        self.assertEqual((manifest["RepoTags"], manifest["Layers"]), (["localhost/x:1"], ["layer.tar"]))
        self.assertEqual(config["rootfs"]["diff_ids"], [image.archive.digest(layer)])
        self.assertEqual((config["config"]["Entrypoint"], config["config"]["User"]), (["/usr/bin/program"], "65532"))

    def test_a_program_can_be_run_by_everybody(self):
        with tarfile.open(self.write("a.tar")) as archive:
            with tarfile.open(fileobj=archive.extractfile("layer.tar")) as layer:
                self.assertEqual(layer.getmember("usr/bin/program").mode, 0o755)
                self.assertEqual(layer.getmember("tmp").mode, 0o1777)

    def test_a_program_brings_its_libraries(self):
        tree = image.layer.Tree()
        image.add_programs(tree, ["/bin/sh"], images.ARCHITECTURES[platform.machine()])
        self.assertTrue([path for path in tree.entries if path.endswith("/libc.so.6")], list(tree.entries))

    def test_a_file_that_is_no_program_is_trouble_of_the_tests(self):
        text = self.folder / "text"
        text.write_text("text")

        def tools(architecture):
            image.add_programs(image.layer.Tree(), [str(text)], architecture)

        with mock.patch.object(images, "tools", tools):
            with self.assertRaisesRegex(Trouble, f"{text} is no program"):
                images.build(self.folder / "images", text, text)


if __name__ == "__main__":
    unittest.main()
