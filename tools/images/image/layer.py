"""A folder tree in memory and its layer: a tar whose bytes depend only on names, contents, modes and one time."""
import dataclasses
import gzip
import hashlib
import io
import pathlib
import posixpath
import tarfile

from image.trouble import Trouble

GZIP_LEVEL = 9


@dataclasses.dataclass(frozen=True)
class Entry:
    kind: bytes  # tarfile.REGTYPE, SYMTYPE or DIRTYPE
    mode: int
    content: bytes = b""
    target: str = ""


class Tree:
    def __init__(self):
        self.entries = {}

    def add_folder(self, path, mode=0o755):
        self._put(path, Entry(tarfile.DIRTYPE, mode))

    def add_file(self, path, content, mode=0o644):
        self._put(path, Entry(tarfile.REGTYPE, mode, content))

    def add_link(self, path, target):
        self._put(path, Entry(tarfile.SYMTYPE, 0o777, target=target))

    def _put(self, path, entry):
        if self.entries.setdefault(path, entry) != entry:
            raise Trouble(f"{path} is put into the image twice, with different contents")
        parent = posixpath.dirname(path)
        if parent != "/" and parent not in self.entries:
            self.add_folder(parent)


def tar(tree, epoch):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.entries):
            entry = tree.entries[path]
            info = tarfile.TarInfo(path.lstrip("/"))
            info.type, info.mode, info.mtime, info.linkname = entry.kind, entry.mode, epoch, entry.target
            info.size = len(entry.content)
            archive.addfile(info, io.BytesIO(entry.content))
    return out.getvalue()


@dataclasses.dataclass(frozen=True)
class Layer:
    diff_id: str  # of the tar
    blob: bytes  # the tar, compressed


def make(tree, epoch):
    raw = tar(tree, epoch)
    return Layer("sha256:" + hashlib.sha256(raw).hexdigest(), gzip.compress(raw, GZIP_LEVEL, mtime=0))


def unpack(tree, folder):
    """Writes the tree below `folder`, over what is there."""
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for path in sorted(tree.entries):
        entry, at = tree.entries[path], pathlib.Path(f"{folder}{path}")
        if entry.kind == tarfile.DIRTYPE:
            at.mkdir(parents=True, exist_ok=True)
            at.chmod(entry.mode)
        elif entry.kind == tarfile.SYMTYPE:
            at.unlink(missing_ok=True)
            at.symlink_to(entry.target)
        else:
            at.write_bytes(entry.content)
            at.chmod(entry.mode)
