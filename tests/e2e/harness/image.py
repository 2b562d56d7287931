"""Image: one uncompressed layer in an archive as `docker save` writes it. Trees and tars are those of tools/images.

For the tests' own images only: made at each `up`, imported at once, never kept.
"""
import hashlib
import os
import stat
import sys

from harness.versions import ROOT

sys.path.append(str(ROOT / "tools" / "images"))

from image import archive, contents, elf, layer, trouble  # noqa: E402, F401 (contents, trouble: for callers)

EPOCH = 0


def add_file(tree, path, source):
    mode = 0o755 if os.stat(source).st_mode & stat.S_IXUSR else 0o644
    with open(source, "rb") as file:
        tree.add_file(path, file.read(), mode)


def add_programs(tree, sources, architecture):
    """Programs at their own paths and the shared libraries that they need."""
    for path in [*sources, *elf.closure(sources, architecture)]:
        add_file(tree, path, os.path.realpath(path))


def write(path, name, tree, architecture, entry_point=(), user=""):
    """Writes the archive of image `name` (with its tag) to `path`."""
    data = layer.tar(tree, EPOCH)
    config = archive.as_json({
        "architecture": architecture, "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": list(entry_point) or None, "User": user,
                   "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [archive.digest(data)]},
        "history": [{"created": "1970-01-01T00:00:00Z"}]})
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = archive.as_json([{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}])
    files = {config_name: config, "layer.tar": data, "manifest.json": manifest}
    path.write_bytes(archive.pack(files, EPOCH))
