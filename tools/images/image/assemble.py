"""From an Image to its two trees: what the distribution brings, and our programs on top (so that an upgrade of ours
pulls only the second layer)."""
import os
import pathlib
import subprocess
import tempfile

from image import contents, debian, elf
from image.layer import Tree
from image.trouble import Trouble

PASSWD = "root:x:0:0:root:/:/usr/sbin/nologin\nkeelson:x:65532:65532:keelson:/:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nkeelson:x:65532:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
MERGED_LINKS = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"}
EMPTY_FOLDERS = ("/dev", "/proc", "/sys", "/run", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64")
AUTHORITIES = pathlib.Path("/usr/share/ca-certificates/mozilla")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
OS_RELEASE = "/usr/lib/os-release"


class Base:
    """The lower tree; the packages in it, and those that our programs have parts of inside."""

    def __init__(self, image, bin_folder, arch):
        self.tree, self.packages, self.compiled_in = Tree(), [], debian.packages(image.compiled_in)
        self._files = {}  # path in the image: path here
        programs = [f"{bin_folder}/{name}" for name in image.programs]
        for path in programs:
            if not os.path.exists(path):
                raise Trouble(f"{path} is not built: make build")
        for path in [*image.foreign, *elf.closure([*programs, *image.foreign], arch), OS_RELEASE]:
            self._add_with_links(path)
        self._add_authorities()
        self._add_packaged()
        self._add_system_files()

    def _add_with_links(self, path):
        while os.path.islink(path):
            target = os.readlink(path)
            real = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if debian.in_usr(path) != debian.in_usr(real):
                self.tree.add_link(debian.in_usr(path), os.path.relpath(debian.in_usr(real),
                                                                        os.path.dirname(debian.in_usr(path))))
            path = real
        # The folder itself may be one of the links of the merged /usr.
        self._files[debian.in_usr(os.path.realpath(path))] = path

    def _add_authorities(self):
        certificates = sorted(AUTHORITIES.glob("*.crt"))
        if not certificates:
            raise Trouble(f"no certificates in {AUTHORITIES}: install ca-certificates")
        owners = debian.owners([str(path) for path in certificates])
        bundle = []
        for path in certificates:
            content = path.read_bytes()
            debian.check_unchanged(str(path), owners[str(path)], content)
            bundle.append(content if content.endswith(b"\n") else content + b"\n")
        self.tree.add_file(BUNDLE, b"".join(bundle))
        self._owners = set(owners.values())

    def _add_packaged(self):
        owners = debian.owners(sorted(self._files))
        for path in sorted(self._files):
            content = pathlib.Path(self._files[path]).read_bytes()
            debian.check_unchanged(path, owners[path], content)
            self.tree.add_file(path, content, 0o755 if os.access(self._files[path], os.X_OK) else 0o644)
        self.packages = debian.packages(set(owners.values()) | self._owners)
        for package in self.packages:
            # Where scanners look when there is no package manager.
            self.tree.add_file(f"/var/lib/dpkg/status.d/{package.name}", debian.stanza(package).encode())
        for package in [*self.packages, *self.compiled_in]:
            self.tree.add_file(str(package.copyright_file), package.copyright_file.read_bytes())

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


def stripped(path, strip="strip"):
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/program"
        done = subprocess.run([strip, "--strip-unneeded", "-o", out, path], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Trouble(f"{strip} {path}: {done.stderr.strip()}")
        return pathlib.Path(out).read_bytes()


def programs(image, bin_folder):
    tree = Tree()
    for name in image.programs:
        tree.add_file(f"{contents.PROGRAMS_FOLDER}/{name}", stripped(f"{bin_folder}/{name}"), 0o755)
    for path, target in image.links:
        tree.add_link(path, target)
    return tree
