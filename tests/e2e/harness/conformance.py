"""Conformance: the Gateway API's own mesh tests against a cluster: its images, one run of its binary, what it said."""
import json
import os
import pathlib
import platform
import re
import tempfile

from harness.command import attempt, run
from harness.image import add_file, layer, write
from harness.images import ARCHITECTURES
from harness.programs import Programs
from harness.trouble import Trouble
from harness.versions import ROOT, VERSIONS

PAGES = ROOT / "docs" / "conformance"
PROFILE = "MESH-HTTP"
# What the proxy can do, by the names of the Gateway API's optional features.
FEATURES = ("Mesh", "HTTPRoute", "MeshClusterIPMatching", "MeshConsumerRoute", "MeshHTTPRouteRewritePath",
            "MeshHTTPRouteSchemeRedirect", "MeshHTTPRouteRedirectPort", "MeshHTTPRouteRedirectPath",
            "MeshHTTPRouteBackendRequestHeaderModification", "MeshHTTPRouteQueryParamMatching",
            "MeshHTTPRouteNamedRouteRule", "HTTPRouteResponseHeaderModification", "HTTPRouteParentRefPort")
# With 3, the default, several tests pass by chance on a cluster without any mesh: an answer comes from one of two.
CONSECUTIVE_SUCCESSES = 12
ECHO_IMAGE = "registry.k8s.io/gateway-api/echo-advanced:v1.5.1"
PROGRAMS = ("conformance", "echo-server", "echo-client")
RUN_SECONDS_MAX = 900
# How long an answer may take to become right; without the mesh hardly any does, and each test costs that long.
CONSISTENT_SECONDS, CONTROL_SECONDS = 30, 6
RESULT = re.compile(r"(?m)^    --- (PASS|FAIL|SKIP): TestConformance/(Mesh\w+) ")  # the others are of gateways
STATES = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}


class Conformance:
    def __init__(self, cluster, progress):
        self._cluster = cluster
        self._programs = Programs(progress).provide(PROGRAMS)

    def import_images(self):
        """The test application, under the name that the tests' manifests have for it."""
        with tempfile.TemporaryDirectory() as folder:
            run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=echo",
                "-keyout", f"{folder}/cert.key", "-out", f"{folder}/cert.crt")
            tree = layer.Tree()
            for name in ("cert.key", "cert.crt"):
                add_file(tree, f"/{name}", f"{folder}/{name}")
            for name in ("server", "client"):
                add_file(tree, f"/usr/local/bin/{name}", self._programs[f"echo-{name}"])
            tree.add_folder("/tmp", 0o1777)
            archive = pathlib.Path(folder, "echo.tar")
            write(archive, ECHO_IMAGE, tree, ARCHITECTURES[platform.machine()], ["/usr/local/bin/server"])
            self._cluster.import_images([archive])

    def play(self, folder, labels, consistency_seconds, version):
        """{test: state}; the suite's report and its output are in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        overrides = (f"MaxTimeToConsistency:{consistency_seconds};"
                     f"RequiredConsecutiveSuccesses:{CONSECUTIVE_SUCCESSES}")
        command = [self._programs["conformance"], "-test.v", "-test.run", "^TestConformance$",
                   f"-conformance-profiles={PROFILE}", f"-supported-features={','.join(FEATURES)}",
                   f"-namespace-labels={labels}", f"-timeout-config-overrides={overrides}",
                   f"-report-output={folder}/report.yaml", "-allow-crds-mismatch", "-organization=keelson",
                   "-project=keelson", f"-version={version}", "-url=https://keelson.dev", "-contact=keelson"]
        layout = self._cluster.layout
        environment = {**os.environ, "KUBECONFIG": str(layout.kubeconfig("admin")), "NO_PROXY": "*"}
        inside = ["ip", "netns", "exec", layout.control_plane.netns]
        _, out, err = attempt(*inside, *command, environment=environment, folder=folder, seconds_max=RUN_SECONDS_MAX)
        (folder / "output.txt").write_text(out + err)
        states = results(out)
        if not states:
            raise Trouble(f"the conformance suite told no result: {(out + err).strip()[-500:]}")
        return states


def results(output):
    """{test: state} of what the suite printed."""
    return {name: STATES[state] for state, name in RESULT.findall(output)}


def recorded():
    """{test: {"with": state, "without": state, "waits_for": text}} as docs/conformance has it."""
    path = PAGES / "results.json"
    return json.loads(path.read_text())["tests"] if path.exists() else {}


def combined(with_mesh, without, waits):
    """The record of two runs; `waits` keeps what is known of those that do not pass."""
    made = {}
    for name, state in sorted(with_mesh.items()):
        made[name] = {"with": state, "without": without.get(name, "not run")}
        if state != "passed":
            unknown = "its optional feature to be claimed" if state == "skipped" else "not known yet"
            made[name]["waits_for"] = waits.get(name, {}).get("waits_for", unknown)
    return made


def record(tests, version, report):
    """Writes results.json, the page that shows it, and the suite's own report."""
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / "report.yaml").write_bytes(report.read_bytes())
    (PAGES / "results.json").write_text(json.dumps(
        {"gateway_api": VERSIONS["gateway-api"], "keelson": version, "profile": PROFILE,
         "consecutive_successes": CONSECUTIVE_SUCCESSES, "features": FEATURES, "tests": tests}, indent=1) + "\n")
    (PAGES / "README.md").write_text(page(tests, version))


def page(tests, version):
    passed = sum(entry["with"] == "passed" for entry in tests.values())
    skipped = sum(entry["with"] == "skipped" for entry in tests.values())
    lines = ["# Gateway API conformance", "",
             f"Keelson {version} on two nodes, mesh tests of Gateway API {VERSIONS['gateway-api']}, profile {PROFILE}:",
             f"**{passed} of {len(tests) - skipped} pass**, {skipped} are not claimed. Each answer has to be right "
             f"{CONSECUTIVE_SUCCESSES} times in a row "
             "(the suite's own value is 3).", "",
             "The column *without mesh* is the control: the same tests in namespaces that are not in the mesh, while "
             "the agents run on.",
             f"It gives a test up after {CONTROL_SECONDS} s, where the run with Keelson waits {CONSISTENT_SECONDS} s "
             "for the right answer. A test that passes there", "too says nothing of the mesh.", "",
             "| test | with Keelson | without mesh | waits for |", "|---|---|---|---|"]
    lines += [f"| {name} | {entry['with']} | {entry['without']} | {entry.get('waits_for', '')} |"
              for name, entry in tests.items()]
    return "\n".join([*lines, "", "Written by `KEELSON_UPDATE_CONFORMANCE=1 make e2e WORDS=conformance`.", ""])
