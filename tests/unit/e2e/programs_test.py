"""Programs are named by the state of their mains; versions.json and the go.mod files say the same."""
import pathlib
import re
import tempfile
import unittest
from unittest import mock

from harness import pin, programs, toolchain
from harness.trouble import Trouble
from harness.versions import GO_MAINS, VERSIONS


class KeyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "etcd").mkdir()
        for name in ("main.go", "go.mod", "go.sum"):
            (self.folder / "etcd" / name).write_text(name)
        self.etcd = programs.PROGRAMS["etcd"]

    def test_the_same_sources_have_the_same_key(self):
        self.assertEqual(programs.key(self.etcd, self.folder), programs.key(self.etcd, self.folder))

    def test_every_file_counts(self):
        for name in ("main.go", "go.mod", "go.sum"):
            before = programs.key(self.etcd, self.folder)
            (self.folder / "etcd" / name).write_text("changed")
            self.assertNotEqual(programs.key(self.etcd, self.folder), before, name)

    def test_the_way_it_is_built_counts(self):
        other = programs.Program("etcd", "etcd", flags="-s")
        self.assertNotEqual(programs.key(other, self.folder), programs.key(self.etcd, self.folder))


class PinTest(unittest.TestCase):
    def test_the_mains_require_what_versions_json_says(self):
        for main, requires in pin.REQUIRES.items():
            text = (GO_MAINS / main / "go.mod").read_text()
            for module, version in requires.items():
                self.assertRegex(text, rf"(?m)^(require )?\s*{re.escape(module)} v{re.escape(VERSIONS[version])}$",
                                 f"{main}/go.mod: run tests/e2e/cluster pin {main}")

    def test_every_program_has_a_main(self):
        ours = programs.PROGRAMS["kube-standin"].main  # requires no module
        self.assertEqual({program.main for program in programs.PROGRAMS.values()}, {*pin.REQUIRES, ours})
        self.assertTrue((GO_MAINS / ours / "go.mod").exists())

    def test_unpublished_libraries_are_found(self):
        text = "require (\n\tk8s.io/api v0.0.0\n\tk8s.io/klog/v2 v2.130.1\n\tk8s.io/kube-proxy v0.0.0\n)\n"
        self.assertEqual(pin.library_names(text), ["k8s.io/api", "k8s.io/kube-proxy"])

    def test_go_mod_replaces_them_by_the_version_of_the_release(self):
        text = pin.go_mod("kube", ["k8s.io/api"])
        self.assertIn(f"k8s.io/api => k8s.io/api v0.{VERSIONS['kubernetes'][2:]}", text)


class ToolchainTest(unittest.TestCase):
    def test_reads_the_version(self):
        for text, version in (("go version go1.26.8 linux/amd64", (1, 26)), ("go version go1.9 linux/amd64", (1, 9)),
                              ("", None)):
            self.assertEqual(toolchain.parse_version(text), version)

    def test_a_missing_toolchain_says_what_to_install(self):
        with mock.patch("shutil.which", return_value=None), mock.patch("os.access", return_value=False):
            with self.assertRaisesRegex(Trouble, rf"no Go toolchain.*install Go {VERSIONS['go']} or newer"):
                toolchain.find_go()

    def test_an_old_toolchain_is_named_with_its_version(self):
        old = mock.Mock(stdout="go version go1.19.8 linux/amd64\n")
        with mock.patch("shutil.which", return_value="/usr/bin/go"), mock.patch("subprocess.run", return_value=old):
            with self.assertRaisesRegex(Trouble, r"/usr/bin/go is too old \(go version go1\.19\.8"):
                toolchain.find_go()


if __name__ == "__main__":
    unittest.main()
