"""The Gateway API's CRDs of the pinned module: one file in the cache, applied to every cluster."""
from harness.toolchain import Toolchain
from harness.versions import GO_MAINS, VERSIONS

MODULE = "sigs.k8s.io/gateway-api"


def gateway_api(cache):
    """The path of the file; written once for each version."""
    path = cache / f"gateway-api-{VERSIONS['gateway-api']}.yaml"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        toolchain = Toolchain(cache)
        toolchain.go(["mod", "download", MODULE], GO_MAINS / "conformance")
        folder = toolchain.module_folder(MODULE, GO_MAINS / "conformance") / "config" / "crd" / "standard"
        fresh = path.with_suffix(".new")
        fresh.write_text("\n---\n".join(file.read_text() for file in sorted(folder.glob("*.yaml"))))
        fresh.rename(path)
    return path
