"""The distribution's packages: which one a file belongs to, whether the file is still as packaged, what it is under."""
import dataclasses
import functools
import hashlib
import pathlib
import re
import subprocess

from image.trouble import Trouble

INFO = pathlib.Path("/var/lib/dpkg/info")
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

    @property
    def name(self):
        return self.id.split(":")[0]

    @property
    def copyright_file(self):
        return pathlib.Path(f"/usr/share/doc/{self.name}/copyright")


def in_usr(path):
    """The path where a file lies once /bin, /sbin, /lib and /lib64 are links."""
    return "/usr" + path if path.startswith(MERGED) else path


def spellings(path):
    """The names under which dpkg may know a file of the merged /usr."""
    return [path, path.removeprefix("/usr")] if path.startswith("/usr/") else [path]


def query(arguments, strict=True):
    done = subprocess.run(["dpkg-query", *arguments], capture_output=True, text=True, check=False)
    if strict and done.returncode != 0:
        raise Trouble(f"dpkg-query {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def owners(paths):
    """{path: package id}; a path that no package owns is Trouble."""
    names = sorted({name for path in paths for name in spellings(path)})
    known = {}
    for line in query(["-S", *names], strict=False).splitlines():
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


def packages(ids):
    text = query(["-W", "-f", "\\t".join(f"${{{field}}}" for field in FIELDS) + "\\n", *sorted(ids)])
    return sorted((Package(*line.split("\t")) for line in text.splitlines()), key=lambda package: package.id)


@functools.lru_cache(maxsize=None)
def checksums(package_id):
    """{path: MD5} as dpkg unpacked them."""
    for name in (package_id, package_id.split(":")[0]):
        if (listing := INFO / f"{name}.md5sums").exists():
            pairs = (line.split("  ", 1) for line in listing.read_text().splitlines())
            return {"/" + path: digest for digest, path in pairs}
    raise Trouble(f"dpkg has no checksums of {package_id}: reinstall it")


def check_unchanged(path, package_id, content):
    known = checksums(package_id)
    wanted = next((known[name] for name in spellings(path) if name in known), None)
    if wanted != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise Trouble(f"{path} is not as {package_id} brought it: reinstall the package")


def license_names(copyright_text):
    """The short names of a machine-readable copyright file, sorted; none of any other."""
    if not DEP5.search(copyright_text):
        return []
    parts = (part for names in LICENSE.findall(copyright_text)
             for part in re.split(r"\s+(?:and|or|AND|OR)\s+|,\s*", names))
    return sorted({part.strip() for part in parts if part.strip()})


def stanza(package):
    """The package's paragraph of dpkg's status, as scanners of images read it."""
    return query(["-s", package.id])
