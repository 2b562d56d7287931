"""The distribution's packages: which one a file belongs to, whether the file is still as packaged, what it is under.

Of this machine, or of a folder tree with another architecture's packages (sysroot.py).
"""
import dataclasses
import functools
import hashlib
import os
import pathlib
import re
import subprocess

from image.trouble import Trouble

RECORDS = "/var/lib/dpkg"
FIELDS = ("binary:Package", "Version", "Architecture", "source:Package", "source:Version", "Homepage", "Maintainer")
MERGED = ("/bin/", "/sbin/", "/lib/", "/lib64/")  # links into /usr, which many packages still name
DEP5 = re.compile(r"^Format:\s*https?://(www\.)?debian\.org/doc/packaging-manuals/copyright-format/1\.0/?\s*$",
                  re.MULTILINE)
LICENSE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Package:
    id: str  # libssl3:amd64
    version: str
    arch: str
    source: str
    source_version: str
    homepage: str
    maintainer: str
    root: str = ""

    @property
    def name(self):
        return self.id.split(":")[0]

    @property
    def copyright_file(self):
        """Its path on the system that has the package."""
        return f"/usr/share/doc/{self.name}/copyright"

    def copyright(self):
        return pathlib.Path(self.root + self.copyright_file).read_bytes()


def in_usr(path):
    """The path where a file lies once /bin, /sbin, /lib and /lib64 are links."""
    return "/usr" + path if path.startswith(MERGED) else path


def spellings(path):
    """The names under which dpkg may know a file of the merged /usr."""
    return [path, path.removeprefix("/usr")] if path.startswith("/usr/") else [path]


def license_names(copyright_text):
    """The short names of a machine-readable copyright file, sorted; none of any other."""
    if not DEP5.search(copyright_text):
        return []
    parts = (part for names in LICENSE.findall(copyright_text)
             for part in re.split(r"\s+(?:and|or|AND|OR)\s+|,\s*", names))
    return sorted({part.strip() for part in parts if part.strip()})


class System:
    """The packages of the system below `root`; paths are those on that system."""

    def __init__(self, root=""):
        self.root = str(root)
        self._checksums = functools.lru_cache(maxsize=None)(self._read_checksums)

    def here(self, path):
        return f"{self.root}{path}"

    def there(self, path):
        """The path on that system of what lies at `path` here, all links followed."""
        real, root = os.path.realpath(path), os.path.realpath(self.root) if self.root else ""
        if not real.startswith(f"{root}/"):
            raise Trouble(f"{path} leads out of {root}, to {real}")
        return real.removeprefix(root)

    def read(self, path):
        return pathlib.Path(self.here(path)).read_bytes()

    def owners(self, paths):
        """{path: package id}; a path that no package owns is Trouble."""
        names = sorted({name for path in paths for name in spellings(path)})
        known = {}
        for line in self._query(["-S", *names], strict=False).splitlines():
            packages, _, path = line.rpartition(": ")
            if not packages.startswith("diversion"):
                known[path] = packages.split(", ")[0]
        found = {}
        for path in paths:
            owner = next((known[name] for name in spellings(path) if name in known), None)
            if owner is None:
                raise Trouble(f"no package owns {path}: only the distribution's files go into an image")
            found[path] = owner
        return found

    def packages(self, ids):
        text = self._query(["-W", "-f", "\\t".join(f"${{{field}}}" for field in FIELDS) + "\\n", *sorted(ids)])
        return sorted((Package(*line.split("\t"), self.root) for line in text.splitlines()),
                      key=lambda package: package.id)

    def check_unchanged(self, path, package_id, content):
        known = self._checksums(package_id)
        wanted = next((known[name] for name in spellings(path) if name in known), None)
        if wanted != hashlib.md5(content, usedforsecurity=False).hexdigest():
            raise Trouble(f"{path} is not as {package_id} brought it: reinstall the package")

    def stanza(self, package):
        """The package's paragraph of dpkg's status, as scanners of images read it."""
        return self._query(["-s", package.id])

    def _query(self, arguments, strict=True):
        done = subprocess.run(["dpkg-query", f"--admindir={self.here(RECORDS)}", *arguments], capture_output=True,
                              text=True, check=False)
        if strict and done.returncode != 0:
            raise Trouble(f"dpkg-query {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout

    def _read_checksums(self, package_id):
        """{path: MD5} as dpkg unpacked them."""
        for name in (package_id, package_id.split(":")[0]):
            if (listing := pathlib.Path(self.here(f"{RECORDS}/info/{name}.md5sums"))).exists():
                pairs = (line.split("  ", 1) for line in listing.read_text().splitlines())
                return {"/" + path: digest for digest, path in pairs}
        raise Trouble(f"dpkg has no checksums of {package_id}: reinstall it")
