"""From an Image to its two trees: what the distribution brings, and our programs on top (so that an upgrade of ours
pulls only the second layer)."""
import os
import pathlib
import subprocess
import tempfile

from image import contents, debian, elf, project
from image.layer import Tree
from image.trouble import Trouble

PASSWD = "root:x:0:0:root:/:/usr/sbin/nologin\nkeelson:x:65532:65532:keelson:/:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nkeelson:x:65532:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
MERGED_LINKS = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"}
EMPTY_FOLDERS = ("/dev", "/proc", "/sys", "/run", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64")
AUTHORITIES = "/usr/share/ca-certificates/mozilla"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
OS_RELEASE = "/usr/lib/os-release"


class Base:
    """The lower tree; the packages in it, and those that our programs have parts of inside."""

    def __init__(self, image, bin_folder, arch, system):
        self.tree, self.packages, self.compiled_in = Tree(), [], system.packages(image.compiled_in)
        self._system = system
        self._files = {}  # path in the image: path on the system that its packages are from
        programs = [f"{bin_folder}/{name}" for name in image.programs]
        for path in programs:
            if not os.path.exists(path):
                raise Trouble(f"{path} is not built: make images ARCH={arch}")
        starting = [*programs, *(system.here(path) for path in image.foreign)]
        for path in [*image.foreign, *elf.closure(starting, arch, system.root), OS_RELEASE]:
            self._add_with_links(path)
        self._add_authorities()
        self._add_packaged()
        self._add_system_files()

    def _add_with_links(self, path):
        while os.path.islink(here := self._system.here(path)):
            target = os.readlink(here)
            real = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if debian.in_usr(path) != debian.in_usr(real):
                self.tree.add_link(debian.in_usr(path), os.path.relpath(debian.in_usr(real),
                                                                        os.path.dirname(debian.in_usr(path))))
            path = real
        # The folder itself may be one of the links of the merged /usr.
        self._files[debian.in_usr(self._system.there(here))] = path

    def _add_authorities(self):
        folder = pathlib.Path(self._system.here(AUTHORITIES))
        certificates = [f"{AUTHORITIES}/{path.name}" for path in sorted(folder.glob("*.crt"))]
        if not certificates:
            raise Trouble(f"no certificates in {folder}: install ca-certificates")
        owners = self._system.owners(certificates)
        bundle = []
        for path in certificates:
            content = self._system.read(path)
            self._system.check_unchanged(path, owners[path], content)
            bundle.append(content if content.endswith(b"\n") else content + b"\n")
        self.tree.add_file(BUNDLE, b"".join(bundle))
        self._owners = set(owners.values())

    def _add_packaged(self):
        system = self._system
        owners = system.owners(sorted(self._files))
        for path in sorted(self._files):
            content = system.read(self._files[path])
            system.check_unchanged(path, owners[path], content)
            self.tree.add_file(path, content, 0o755 if os.access(system.here(self._files[path]), os.X_OK) else 0o644)
        self.packages = system.packages(set(owners.values()) | self._owners)
        for package in self.packages:
            # Where scanners look when there is no package manager.
            self.tree.add_file(f"/var/lib/dpkg/status.d/{package.name}", system.stanza(package).encode())
        for package in [*self.packages, *self.compiled_in]:
            self.tree.add_file(package.copyright_file, package.copyright())

    def _add_system_files(self):
        for path, target in MERGED_LINKS.items():
            self.tree.add_link(path, target)
        for path in EMPTY_FOLDERS:
            self.tree.add_folder(path)
        self.tree.add_folder("/tmp", 0o1777)
        self.tree.add_link("/var/run", "../run")
        self.tree.add_link("/etc/os-release", "../usr/lib/os-release")
        self.tree.add_link("/usr/lib/ssl/certs", "../../../etc/ssl/certs")
        self.tree.add_link("/usr/lib/ssl/cert.pem", "../../../etc/ssl/certs/ca-certificates.crt")
        for path, text in {"/etc/passwd": PASSWD, "/etc/group": GROUP, "/etc/nsswitch.conf": NSSWITCH}.items():
            self.tree.add_file(path, text.encode())


def stripped(path, strip):
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/program"
        done = subprocess.run([strip, "--strip-unneeded", "-o", out, path], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"{strip} {path}: {done.stderr.strip()}")
        return pathlib.Path(out).read_bytes()


def check_placeless(path, content):
    """Built in another folder, the program must be the same."""
    if f"{project.ROOT}/".encode() in content:
        raise Trouble(f"{path} names the folder it was built in ({project.ROOT}): compile all of it with "
                      "keelson_prefix_map (cmake/flags.cmake)")


def programs(image, bin_folder, arch):
    tree, strip = Tree(), f"{elf.TRIPLETS[arch]}-strip"
    for name in image.programs:
        content = stripped(f"{bin_folder}/{name}", strip)
        check_placeless(f"{bin_folder}/{name}", content)
        tree.add_file(f"{contents.PROGRAMS_FOLDER}/{name}", content, 0o755)
    for path, target in image.links:
        tree.add_link(path, target)
    return tree
