"""A sysroot from packages that are made here: apt is not asked, dpkg's own tools read what was unpacked."""
import os
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

from image import contents, debian, sysroot
from image.trouble import Trouble

CONTROL = """Package: {name}
Version: 1.2-3
Architecture: {arch}
{more}Maintainer: A <a@b.example>
Description: made up
 for a test
"""


def package(folder, name, files, arch="arm64", more=""):
    """A package file with `files` {path: content, or a link's target after '->'}."""
    tree = pathlib.Path(folder) / f"tree-{name}"
    for path, content in files.items():
        at = tree / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        if content.startswith("->"):
            at.symlink_to(content[2:])
        else:
            at.write_text(content)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(CONTROL.format(name=name, arch=arch, more=more))
    sums = subprocess.run("find . -type f ! -path './DEBIAN/*' -printf '%P\\0' | xargs -0r md5sum", shell=True,
                          cwd=tree, capture_output=True, text=True, check=True).stdout
    (tree / "DEBIAN/md5sums").write_text(sums)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, f"{folder}/{name}.deb"], check=True,
                   capture_output=True)
    return pathlib.Path(folder) / f"{name}.deb"


class Unpacked(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.archives = [
            package(cls.folder.name, "libweb1", {"/lib/aarch64-linux-gnu/libweb.so.1": "->libweb.so.1.2",
                                                 "/lib/aarch64-linux-gnu/libweb.so.1.2": "web",
                                                 "/usr/share/doc/libweb1/copyright": "License: X\n"},
                    more="Multi-Arch: same\nSource: web\n"),
            package(cls.folder.name, "webtool",
                    {"/usr/sbin/webtool": "tool", "/etc/out": "->../../../../../../../../etc/hostname",
                     "/usr/lib/aarch64-linux-gnu/libweb.so": "->/lib/aarch64-linux-gnu/libweb.so.1",
                     "/usr/share/doc/webtool/copyright": "free\n"})]
        cls.at = pathlib.Path(cls.folder.name) / "kept/arm64"
        with mock.patch.object(sysroot, "download", return_value=cls.archives):
            sysroot.fetch("arm64", ["webtool"], cls.at)
        cls.system = debian.System(cls.at)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_a_file_under_lib_lies_in_usr_and_keeps_its_owner(self):
        self.assertEqual("usr/lib", os.readlink(self.at / "lib"))
        self.assertEqual("web", (self.at / "usr/lib/aarch64-linux-gnu/libweb.so.1").read_text())
        path = "/usr/lib/aarch64-linux-gnu/libweb.so.1.2"
        self.assertEqual({path: "libweb1:arm64"}, self.system.owners([path]))
        self.assertEqual(path, self.system.there(f"{self.at}/lib/aarch64-linux-gnu/libweb.so.1"))

    def test_a_file_is_compared_with_its_package(self):
        self.system.check_unchanged("/usr/sbin/webtool", "webtool:arm64", b"tool")
        with self.assertRaisesRegex(Trouble, "/usr/sbin/webtool is not as webtool:arm64 brought it"):
            self.system.check_unchanged("/usr/sbin/webtool", "webtool:arm64", b"other")

    def test_packages_have_their_versions_licences_and_records(self):
        web, tool = self.system.packages(["libweb1:arm64", "webtool"])
        self.assertEqual(("libweb1", "1.2-3", "arm64", "web"), (web.name, web.version, web.arch, web.source))
        self.assertEqual((b"License: X\n", b"free\n"), (web.copyright(), tool.copyright()))
        self.assertRegex(self.system.stanza(tool), r"^Package: webtool\nStatus: install ok installed\n")

    def test_an_absolute_link_leads_into_the_tree(self):
        self.assertEqual("web", (self.at / "usr/lib/aarch64-linux-gnu/libweb.so").read_text())

    def test_a_link_out_of_the_tree_is_refused(self):
        with self.assertRaisesRegex(Trouble, "etc/out leads out of"):
            self.system.there(f"{self.at}/etc/out")

    def test_it_is_kept_until_the_list_changes(self):
        with mock.patch.object(sysroot, "folder", return_value=self.at), \
                mock.patch.object(sysroot, "download", return_value=self.archives) as download:
            with mock.patch.object(sysroot, "wanted", return_value=["webtool"]):
                self.assertEqual((self.at, False), sysroot.ensure("arm64"))
            with mock.patch.object(sysroot, "wanted", return_value=["libweb1", "webtool"]):
                self.assertEqual((self.at, True), sysroot.ensure("arm64"))
                self.assertEqual((self.at, False), sysroot.ensure("arm64"))
        download.assert_called_once()

    def test_what_fails_leaves_the_kept_one(self):
        before = (self.at / sysroot.STAMP).read_text()
        with mock.patch.object(sysroot, "download", side_effect=Trouble("apt-get: no network")):
            with self.assertRaisesRegex(Trouble, "no network"):
                sysroot.fetch("arm64", ["other"], self.at)
        self.assertEqual((before, ["arm64"]), ((self.at / sysroot.STAMP).read_text(), os.listdir(self.at.parent)))


class Wanted(unittest.TestCase):
    def test_headers_of_the_build_and_what_is_in_the_images(self):
        names = sysroot.wanted("# -- build\ncmake       build description\nlibuv1-dev  event loop\n"
                               "# -- run and test\nlibgtest-dev  tests\n")
        self.assertIn("libuv1-dev", names)
        self.assertLessEqual({*contents.STATIC, *contents.HEADERS, "base-files", "bpftool"}, set(names))
        self.assertFalse({"cmake", "libgtest-dev"} & set(names))

    def test_apt_gets_a_state_of_its_own(self):
        options = sysroot.apt_options("arm64", pathlib.Path("/made"))
        for word in ("APT::Architecture=arm64", "APT::Architectures=arm64", "Dir::State=/made", "Dir::Cache=/made",
                     "Dir::State::status=/made/status"):
            self.assertIn(word, options)
