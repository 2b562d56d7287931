"""Writes the go.mod and go.sum of the Go mains from versions.json (`tests/e2e/cluster pin`; review the diff).

k8s.io/kubernetes requires its libraries at v0.0.0, which was never published: a main module has to replace each by
the version of the same release. All modules get these replaces, so that their builds share compiled packages.
"""
import json
import re

from harness.versions import GO_MAINS, VERSIONS, kubernetes_libraries

REQUIRES = {
    "kube": {"k8s.io/kubernetes": "kubernetes"},
    "etcd": {"go.etcd.io/etcd/server/v3": "etcd"},
    "coredns": {"github.com/coredns/coredns": "coredns"},
    "helm": {"helm.sh/helm/v4": "helm"},
    "conformance": {"sigs.k8s.io/gateway-api": "gateway-api", "sigs.k8s.io/gateway-api/conformance": "gateway-api"},
    "echo": {"istio.io/istio": "istio"},
}
UNPUBLISHED = re.compile(r"^\s*(k8s\.io/[a-z-]+) v0\.0\.0$", re.MULTILINE)


def library_names(kubernetes_go_mod):
    return sorted(set(UNPUBLISHED.findall(kubernetes_go_mod)))


def go_mod(name, libraries):
    """The text that `go mod tidy` completes."""
    requires = [f"\t{module} v{VERSIONS[version]}" for module, version in REQUIRES[name].items()]
    replaces = [f"\t{library} => {library} {kubernetes_libraries()}" for library in libraries]
    return "\n".join([f"module keelson.dev/e2e/{name}", "", f"go {VERSIONS['go']}.0", "",
                      f"godebug default=go{VERSIONS['go']}", "",
                      "require (", *requires, ")", "", "replace (", *replaces, ")", ""])


def pin(toolchain, names):
    """Rewrites go.mod and go.sum of the mains called `names`."""
    answer = toolchain.go(["mod", "download", "-json", f"k8s.io/kubernetes@v{VERSIONS['kubernetes']}"], GO_MAINS)
    libraries = library_names(open(json.loads(answer)["GoMod"], encoding="utf-8").read())
    for name in names:
        print(f"pin: {name}", flush=True)
        folder = GO_MAINS / name
        (folder / "go.mod").write_text(go_mod(name, libraries))
        (folder / "go.sum").unlink(missing_ok=True)
        toolchain.go(["mod", "tidy"], folder)
