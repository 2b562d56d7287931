"""An image as one file: an OCI image layout in a tar, which also carries Docker's manifest.json.

`ctr images import`, `skopeo copy oci-archive:` and `docker load` take it. Equal inputs give equal bytes.
"""
import dataclasses
import datetime
import hashlib
import io
import json
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PATH = "PATH=/usr/sbin:/usr/bin"


@dataclasses.dataclass(frozen=True)
class About:
    reference: str  # localhost/keelson-agent:0.1.0
    arch: str
    epoch: int
    version: str
    revision: str
    licenses: str = "Apache-2.0"

    @property
    def created(self):
        return datetime.datetime.fromtimestamp(self.epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(value):
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def digest(blob):
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def labels(image, about):
    prefix = "org.opencontainers.image."
    return {prefix + "title": image.name, prefix + "description": image.description, prefix + "version": about.version,
            prefix + "revision": about.revision, prefix + "created": about.created, prefix + "vendor": "Keelson",
            prefix + "licenses": about.licenses}


def config(image, about, layers):
    return {"created": about.created, "architecture": about.arch, "os": "linux",
            "config": {"User": image.user, "Entrypoint": [image.entry_point], "Env": [PATH], "WorkingDir": "/",
                       "Labels": labels(image, about)},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": about.created, "created_by": f"tools/images {image.name}"} for _ in layers]}


def descriptor(media_type, blob, **more):
    return {"mediaType": media_type, "digest": digest(blob), "size": len(blob), **more}


def pack(files, epoch):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.mode, info.mtime, info.size = 0o644, epoch, len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    return out.getvalue()


def write(image, about, layers):
    """(bytes of the archive, digest of the image's manifest)."""
    configuration = as_json(config(image, about, layers))
    manifest = as_json({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, configuration),
        "layers": [descriptor(LAYER, layer.blob) for layer in layers], "annotations": labels(image, about)})
    index = as_json({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [descriptor(
            MANIFEST, manifest, platform={"architecture": about.arch, "os": "linux"},
            annotations={"org.opencontainers.image.ref.name": about.version,
                         "io.containerd.image.name": about.reference})]})
    blobs = [configuration, manifest, *(layer.blob for layer in layers)]
    name = {digest(blob): "blobs/sha256/" + digest(blob).split(":")[1] for blob in blobs}
    docker = as_json([{"Config": name[digest(configuration)], "RepoTags": [about.reference],
                       "Layers": [name[digest(layer.blob)] for layer in layers]}])
    files = {name[digest(blob)]: blob for blob in blobs}
    files |= {"oci-layout": as_json({"imageLayoutVersion": "1.0.0"}), "index.json": index, "manifest.json": docker}
    return pack(files, about.epoch), digest(manifest)
