"""CRDs of others, from pinned modules, each one file in the cache: the Gateway API's, which every cluster gets, and
those of Istio's security API that Keelson reads."""
import re

from harness.toolchain import Toolchain
from harness.trouble import Trouble
from harness.versions import GO_MAINS, VERSIONS

GATEWAY_API = "sigs.k8s.io/gateway-api"
ISTIO_API = "istio.io/api"
OF_SECURITY = ("authorizationpolicies", "peerauthentications")


def gateway_api(cache):
    """The path of the file."""
    def read(folder):
        return [file.read_text() for file in sorted((folder / "config" / "crd" / "standard").glob("*.yaml"))]

    return provide(cache, f"gateway-api-{VERSIONS['gateway-api']}.yaml", "conformance", GATEWAY_API, read)


def istio_security(cache):
    """The path of the file."""
    def read(folder):
        documents = (folder / "kubernetes" / "customresourcedefinitions.gen.yaml").read_text().split("\n---\n")
        name = re.compile(rf"(?m)^  name: ({'|'.join(OF_SECURITY)})\.security\.istio\.io$")
        return [document for document in documents if name.search(document)]

    return provide(cache, f"istio-security-{VERSIONS['istio']}.yaml", "echo", ISTIO_API, read)


def provide(cache, name, main, module, read):
    """Written once for each version, by what `read` finds in the module that the Go main in folder `main` requires."""
    path = cache / name
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        toolchain = Toolchain(cache)
        toolchain.go(["mod", "download", module], GO_MAINS / main)
        documents = read(toolchain.module_folder(module, GO_MAINS / main))
        if not documents:
            raise Trouble(f"{module} has not the definitions that tests/e2e expects in it")
        fresh = path.with_suffix(".new")
        fresh.write_text("\n---\n".join(documents))
        fresh.rename(path)
    return path
