"""A folder tree of another architecture's packages, with dpkg's records of them: unpacked, never installed.

apt runs with a state of its own and this machine's sources, so that dpkg here knows no second architecture. What was
unpacked is used until the list of packages changes or the folder is removed.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile

from image import contents, project
from image.trouble import Trouble

LIST = project.ROOT / "tools/packages.txt"
MERGED_FOLDERS = ("bin", "sbin", "lib")
STAMP = "keelson-packages"
SECTION = re.compile(r"^# -- (.+)$")


def folder(arch):
    base = os.environ.get("KEELSON_SYSROOTS") or os.path.expanduser("~/.cache/keelson/sysroot")
    return pathlib.Path(base) / arch


def wanted(text):
    """What programs are built from and what else is in the images, from the text of tools/packages.txt: the headers
    and libraries of its section `build`, and all that contents.py names."""
    names, section = set(contents.STATIC) | set(contents.SYSTEM), ""
    for image in contents.IMAGES.values():
        names |= set(image.compiled_in)
    for line in text.splitlines():
        if (heading := SECTION.match(line)) is not None:
            section = heading.group(1)
        name = line.split(" ", 1)[0]
        if section == "build" and name.endswith("-dev"):
            names.add(name)
    return sorted(names)


def apt_options(arch, state):
    """apt of another architecture that knows of no installed package and keeps everything below `state`."""
    pairs = {"APT::Architecture": arch, "APT::Architectures": arch, "Dir::State": f"{state}",
             "Dir::State::status": f"{state}/status", "Dir::Cache": f"{state}", "Debug::NoLocking": "1",
             "APT::Sandbox::User": "root", "APT::Install-Recommends": "0", "Acquire::Languages": "none"}
    return [word for key, value in pairs.items() for word in ("-o", f"{key}={value}")]


def run(command, **options):
    done = subprocess.run(command, capture_output=True, check=False, **options)
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
        raise Trouble(f"{' '.join(map(str, command[:2]))}: " + " / ".join(last))
    return done.stdout


def download(arch, names, state):
    """Paths of the packages' files and of all that they depend on, sorted."""
    for inner in ("lists/partial", "archives/partial"):
        (state / inner).mkdir(parents=True)
    (state / "status").touch()
    options = apt_options(arch, state)
    run(["apt-get", *options, "update"])
    run(["apt-get", *options, "install", "--download-only", "--yes", *names])
    return sorted((state / "archives").glob("*.deb"))


def record(root, archive, member_names):
    """What dpkg would have written about the package whose file this is."""
    info = root / "var/lib/dpkg/info"
    control = run(["dpkg-deb", "--info", archive, "control"]).decode()
    fields = dict(line.split(": ", 1) for line in control.splitlines() if re.match(r"[A-Za-z-]+: ", line))
    name = fields["Package"]
    if fields.get("Multi-Arch") == "same":
        name += ":" + fields["Architecture"]
    # dpkg's list has the folders as well; files are all that anyone asks for here.
    (info / f"{name}.list").write_text("".join(f"{path}\n" for path in member_names))
    with tempfile.TemporaryDirectory() as scripts:
        run(["dpkg-deb", "--control", archive, scripts])
        if (sums := pathlib.Path(scripts, "md5sums")).exists():
            shutil.copyfile(sums, info / f"{name}.md5sums")
    head, rest = control.strip().split("\n", 1)
    with open(root / "var/lib/dpkg/status", "a", encoding="utf-8") as status:
        status.write(f"{head}\nStatus: install ok installed\n{rest}\n\n")


def unpack(root, archive):
    with tempfile.TemporaryFile() as content:
        content.write(run(["dpkg-deb", "--fsys-tarfile", archive]))
        content.seek(0)
        # Touched: what was compiled against an earlier tree is older than this one.
        run(["tar", "--extract", "--touch", "--keep-directory-symlink", "--no-same-owner", "--directory", root],
            stdin=content)
        content.seek(0)
        with tarfile.open(fileobj=content) as opened:
            names = ["/" + os.path.normpath(info.name) for info in opened if not info.isdir()]
    record(root, archive, sorted(names))


def keep_links_inside(root):
    """Absolute links lead into the tree: libm.so is one on arm64, and a linker that finds it broken takes libm.a."""
    for at, folders, files in os.walk(root):
        for path in (os.path.join(at, name) for name in [*folders, *files]):
            if os.path.islink(path) and (target := os.readlink(path)).startswith("/"):
                os.unlink(path)
                os.symlink(os.path.relpath(f"{root}{os.path.normpath(target)}", at), path)


def prepare(root):
    for name in MERGED_FOLDERS:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/info/format").write_text("1\n")
    (root / "var/lib/dpkg/status").touch()


def fetch(arch, names, at):
    """Makes the tree `at` from packages of this moment, or leaves what is there."""
    at.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=at.parent) as made:
        root = pathlib.Path(made) / "root"
        prepare(root)
        for archive in download(arch, names, pathlib.Path(made) / "apt"):
            unpack(root, archive)
            keep_links_inside(root)  # before the next one is unpacked through them
        (root / STAMP).write_text(stamp(names))
        if at.exists():
            shutil.rmtree(at)
        root.rename(at)


def stamp(names):
    """Changes with the list and with how this file unpacks it."""
    code = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    return "\n".join([code, *names]) + "\n"


def ensure(arch):
    """The folder of `arch`, and whether it was made now."""
    names, at = wanted(LIST.read_text()), folder(arch)
    kept = at / STAMP
    if kept.exists() and kept.read_text() == stamp(names):
        return at, False
    fetch(arch, names, at)
    return at, True
