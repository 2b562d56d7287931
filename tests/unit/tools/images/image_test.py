"""Images from stand-ins: openssl of this machine plays keelsonctl, so that no program of ours has to be built."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

from image import archive, assemble, contents, debian, elf, layer, sbom
from image.trouble import Trouble

ROOT = pathlib.Path(__file__).resolve().parents[4]
BUILD = ROOT / "tools/images/build"
CTL = contents.IMAGES["keelson-ctl"]
EPOCH = 1_700_000_000


def bin_folder(folder, program="/usr/bin/openssl"):
    shutil.copy(program, f"{folder}/keelsonctl")  # with the time of now
    return folder


def build(bin_, out, epoch=EPOCH, arguments=()):
    done = subprocess.run([sys.executable, BUILD, bin_, out, "--image", CTL.name, *arguments], text=True,
                          capture_output=True, check=False, env=dict(os.environ, SOURCE_DATE_EPOCH=str(epoch)))
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return pathlib.Path(out)


def read_archive(path):
    with tarfile.open(path) as opened:
        return {info.name: opened.extractfile(info).read() for info in opened}


class Layers(unittest.TestCase):
    def tree(self, paths, content=b"x"):
        tree = layer.Tree()
        for path in paths:
            tree.add_file(path, content)
        return tree

    def test_the_order_of_adding_does_not_matter(self):
        self.assertEqual(layer.make(self.tree(["/a/b", "/c"]), EPOCH), layer.make(self.tree(["/c", "/a/b"]), EPOCH))

    def test_content_and_time_matter(self):
        layers = [layer.make(self.tree(["/c"], content), epoch) for content, epoch in
                  ((b"x", EPOCH), (b"y", EPOCH), (b"x", EPOCH + 1))]
        self.assertEqual(3, len({made.diff_id for made in layers}))

    def test_entries_have_no_owner_but_root_and_parents_come_first(self):
        with tarfile.open(fileobj=io.BytesIO(layer.tar(self.tree(["/a/b/c"]), EPOCH))) as opened:
            self.assertEqual([("a", 0, "", EPOCH), ("a/b", 0, "", EPOCH), ("a/b/c", 0, "", EPOCH)],
                             [(info.name, info.uid, info.uname, info.mtime) for info in opened])

    def test_one_path_with_two_contents_is_refused(self):
        tree = self.tree(["/a"])
        with self.assertRaisesRegex(Trouble, "/a is put into the image twice"):
            tree.add_file("/a", b"other")


class Archives(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.bins = bin_folder(tempfile.mkdtemp(dir=cls.folder.name))
        cls.out = build(cls.bins, f"{cls.folder.name}/first")
        cls.files = read_archive(cls.out / "keelson-ctl.tar")
        cls.index = json.loads(cls.files["index.json"])
        cls.manifest = cls.blob(cls.index["manifests"][0])
        cls.config = cls.blob(cls.manifest["config"])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def raw(cls, descriptor):
        content = cls.files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
        assert hashlib.sha256(content).hexdigest() == descriptor["digest"].removeprefix("sha256:")
        assert len(content) == descriptor["size"]
        return content

    @classmethod
    def blob(cls, descriptor):
        return json.loads(cls.raw(descriptor))

    def test_two_builds_are_equal_to_the_byte(self):
        again = build(bin_folder(tempfile.mkdtemp(dir=self.folder.name)), f"{self.folder.name}/second")
        for path in sorted(self.out.iterdir()):
            self.assertEqual(path.read_bytes(), (again / path.name).read_bytes(), path.name)

    def test_another_program_or_time_is_another_image(self):
        digests = {self.index["manifests"][0]["digest"]}
        other = bin_folder(tempfile.mkdtemp(dir=self.folder.name), "/usr/bin/cmp")
        for name, bins, epoch in (("time", self.bins, EPOCH + 1), ("program", other, EPOCH)):
            files = read_archive(build(bins, f"{self.folder.name}/{name}", epoch) / "keelson-ctl.tar")
            digests.add(json.loads(files["index.json"])["manifests"][0]["digest"])
        self.assertEqual(3, len(digests))

    def test_a_program_that_names_its_folder_is_refused(self):
        with self.assertRaisesRegex(Trouble, "/bin/x names the folder it was built in"):
            assemble.check_placeless("/bin/x", b"\0" + str(ROOT).encode() + b"/agent/app.cpp\0")
        assemble.check_placeless("/bin/x", b"\0./agent/app.cpp\0")

    def test_layers_are_what_the_configuration_says(self):
        diffs = ["sha256:" + hashlib.sha256(gzip.decompress(self.raw(entry))).hexdigest()
                 for entry in self.manifest["layers"]]
        self.assertEqual(diffs, self.config["rootfs"]["diff_ids"])
        self.assertEqual({"imageLayoutVersion": "1.0.0"}, json.loads(self.files["oci-layout"]))

    def test_user_entry_point_and_labels(self):
        self.assertEqual(("65532:65532", ["/usr/bin/keelsonctl"]),
                         (self.config["config"]["User"], self.config["config"]["Entrypoint"]))
        labels = self.config["config"]["Labels"]
        for name in ("title", "description", "version", "revision", "created", "vendor", "licenses"):
            self.assertTrue(labels["org.opencontainers.image." + name], name)

    def test_docker_finds_the_same_blobs_under_the_same_name(self):
        docker = json.loads(self.files["manifest.json"])[0]
        name = self.index["manifests"][0]["annotations"]["io.containerd.image.name"]
        self.assertRegex(name, r"^localhost/keelson-ctl:\d")
        self.assertEqual([name], docker["RepoTags"])
        named = {docker["Config"], *docker["Layers"]}
        self.assertEqual(named, {"blobs/sha256/" + entry["digest"].removeprefix("sha256:")
                                 for entry in [self.manifest["config"], *self.manifest["layers"]]})

    def test_every_library_comes_from_the_image(self):
        tree = build(self.bins, f"{self.folder.name}/trees", arguments=["--tree"]) / CTL.name
        libraries = tree / "usr/lib" / elf.TRIPLETS["amd64"]
        done = subprocess.run([tree / "lib64/ld-linux-x86-64.so.2", "--inhibit-cache", "--library-path", libraries,
                               "--list", tree / "usr/bin/keelsonctl"], text=True, capture_output=True, check=False)
        self.assertEqual(0, done.returncode, done.stderr + done.stdout)
        used = re.findall(r"=> (\S+)", done.stdout)
        self.assertGreater(len(used), 2)
        self.assertEqual([], [path for path in used if not path.startswith(str(tree))])
        self.assertEqual("keelsonctl", os.readlink(tree / "usr/bin/kubectl-keelson"))
        self.assertIn("BEGIN CERTIFICATE", (tree / "etc/ssl/certs/ca-certificates.crt").read_text())
        self.assertIn(":65532:", (tree / "etc/passwd").read_text())

    def test_packages_are_recorded_for_scanners_and_with_their_licences(self):
        tree = build(self.bins, f"{self.folder.name}/trees", arguments=["--tree"]) / CTL.name
        for name in ("libc6", "libssl3", "ca-certificates"):
            self.assertRegex((tree / "var/lib/dpkg/status.d" / name).read_text(), rf"^Package: {name}\n")
        for name in ("libc6", "libssl3", "ca-certificates", *CTL.compiled_in):
            self.assertTrue((tree / "usr/share/doc" / name / "copyright").exists())

    def test_the_spdx_bill_has_what_the_format_requires(self):
        bill = json.loads((self.out / "keelson-ctl.spdx.json").read_text())
        self.assertEqual(("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"),
                         (bill["spdxVersion"], bill["dataLicense"], bill["SPDXID"]))
        self.assertRegex(bill["documentNamespace"], r"^https://[^#]+$")
        self.assertRegex(bill["creationInfo"]["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for creator in bill["creationInfo"]["creators"]:
            self.assertRegex(creator, "^(Tool|Organization|Person): ")
        ids = [package["SPDXID"] for package in bill["packages"]]
        self.assertEqual(len(ids), len(set(ids)))
        for package in bill["packages"]:
            self.assertRegex(package["SPDXID"], r"^SPDXRef-[A-Za-z0-9.-]+$")
            self.assertTrue(package["name"] and package["versionInfo"] and package["downloadLocation"])
            self.assertIs(False, package["filesAnalyzed"])  # else a verification code is required
        for relation in bill["relationships"]:
            self.assertIn(relation["spdxElementId"], [*ids, "SPDXRef-DOCUMENT"])
            self.assertIn(relation["relatedSpdxElement"], ids)
        self.assertEqual("Apache-2.0", next(package["licenseDeclared"] for package in bill["packages"]
                                            if package["name"] == "keelson-ctl"))

    def test_the_cyclonedx_bill_has_what_the_format_requires(self):
        bill = json.loads((self.out / "keelson-ctl.cdx.json").read_text())
        self.assertEqual(("CycloneDX", "1.5", 1), (bill["bomFormat"], bill["specVersion"], bill["version"]))
        self.assertRegex(bill["serialNumber"], r"^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        refs = [component["bom-ref"] for component in bill["components"]]
        self.assertEqual(len(refs), len(set(refs)))
        for component in bill["components"]:
            self.assertTrue(component["type"] and component["name"] and component["version"])
            self.assertRegex(component["purl"], r"^pkg:deb/debian/[^@]+@[^?]+\?arch=\w+&distro=debian-12$")
            for entry in component.get("licenses", []):
                self.assertIn(list(entry["license"]), (["id"], ["name"]))
        root = bill["metadata"]["component"]["bom-ref"]
        self.assertEqual([{"ref": root, "dependsOn": refs}], bill["dependencies"])

    def test_both_bills_list_the_packages_of_the_image(self):
        spdx = json.loads((self.out / "keelson-ctl.spdx.json").read_text())
        cdx = json.loads((self.out / "keelson-ctl.cdx.json").read_text())
        names = {component["name"] for component in cdx["components"]}
        self.assertLessEqual({"libc6", "libssl3", "ca-certificates", "base-files"}, names)
        self.assertLessEqual(set(CTL.compiled_in), names)
        self.assertEqual(names | {"keelson-ctl"}, {package["name"] for package in spdx["packages"]})


class Refusals(unittest.TestCase):
    def test_a_program_of_another_architecture(self):
        with self.assertRaisesRegex(Trouble, "for Advanced Micro Devices X86-64, not for arm64"):
            elf.read("/usr/bin/cmp", "arm64")

    def test_a_program_that_is_not_built(self):
        with self.assertRaisesRegex(Trouble, "keelsonctl is not built: make images ARCH=amd64"):
            assemble.Base(CTL, "/nonexistent", "amd64", debian.System())

    def test_a_library_that_is_not_there(self):
        with self.assertRaisesRegex(Trouble, "web needs libnone.so.1"):
            elf.find("libnone.so.1", ["/lib"], "web")

    def test_a_file_that_is_not_as_packaged(self):
        path, system = "/usr/bin/cmp", debian.System()
        owner = system.owners([path])[path]
        system.check_unchanged(path, owner, pathlib.Path(path).read_bytes())
        with self.assertRaisesRegex(Trouble, "is not as diffutils brought it"):
            system.check_unchanged(path, owner, b"something else")

    def test_a_file_of_no_package(self):
        with self.assertRaisesRegex(Trouble, "no package owns /usr/nothing"):
            debian.System().owners(["/usr/nothing"])


class Licences(unittest.TestCase):
    DEP5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: "

    def test_only_machine_readable_files_are_believed(self):
        self.assertEqual(["Expat", "GPL-2+"], debian.license_names(self.DEP5 + "GPL-2+ or Expat\n text\n"))
        self.assertEqual([], debian.license_names("License: GPL-2+\n"))

    def test_an_expression_is_whole_or_absent(self):
        self.assertEqual("GPL-2.0-or-later AND MIT", sbom.expression(["Expat", "GPL-2+"]))
        self.assertEqual("NOASSERTION", sbom.expression(["Expat", "custom"]))
        self.assertEqual("NOASSERTION", sbom.expression([]))


class Dockerfile(unittest.TestCase):
    def test_it_has_a_target_of_each_image_with_its_user_and_entry_point(self):
        text = (ROOT / "tools/images/Dockerfile").read_text()
        found = re.findall(r"^FROM scratch AS (\S+)\nCOPY --from=build /trees/\1 /\nENV (\S+)\nUSER (\S+)\n"
                           r"ENTRYPOINT \[\"(\S+)\"\]$", text, re.MULTILINE)
        self.assertEqual([(image.name, archive.PATH, image.user, image.entry_point)
                          for image in contents.IMAGES.values()], found)
