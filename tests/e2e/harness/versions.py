"""The pinned versions of tests/e2e/versions.json, and where this tree's parts of the end-to-end tests lie."""
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent.parent  # tests/e2e
ROOT = HERE.parent.parent
GO_MAINS = HERE / "go"
VERSIONS = json.loads((HERE / "versions.json").read_text())


def kubernetes_libraries():
    """The version that the libraries of one Kubernetes release carry: 1.37.2 publishes k8s.io/api v0.37.2."""
    return "v0." + VERSIONS["kubernetes"].split(".", 1)[1]
