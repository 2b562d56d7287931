"""The Gateway API's mesh tests pass as docs/conformance says, and fail where there is no mesh."""
import os

from harness import conformance, mesh
from harness.progress import Progress
from harness.versions import ROOT

STAGE = "mesh"
SECONDS_MAX = 1500
PROGRAMS = conformance.PROGRAMS
REPORTS = ROOT / "build" / "e2e" / "conformance"
SUITE_NAMESPACES = ("gateway-conformance-mesh", "gateway-conformance-mesh-consumer")
NEEDS_NO_MESH = ("MeshBasic",)  # calls a Service, no more


def run(scenario):
    mesh.Mesh(scenario).ensure()
    suite = conformance.Conformance(scenario.cluster, Progress("conformance"))
    suite.import_images()
    version = mesh.image_tag()
    try:
        without = suite.play(REPORTS / "without-mesh", f"{mesh.LABEL}=disabled", conformance.CONTROL_SECONDS,
                             version)
        scenario.tell(f"without the mesh: {without}")
        delete_namespaces(scenario)
        with_mesh = suite.play(REPORTS / "with-mesh", f"{mesh.LABEL}=enabled", conformance.CONSISTENT_SECONDS,
                               version)
        scenario.tell(f"with the mesh: {with_mesh}")
    finally:
        delete_namespaces(scenario)
    tests = conformance.combined(with_mesh, without, conformance.recorded())
    chance = [name for name, entry in tests.items() if entry["with"] == entry["without"] == "passed"]
    scenario.expect("no test passes by chance", set(chance) <= set(NEEDS_NO_MESH), chance)
    if os.environ.get("KEELSON_UPDATE_CONFORMANCE") == "1":
        return conformance.record(tests, version, REPORTS / "with-mesh" / "report.yaml")
    known = conformance.recorded()
    wrong = {name: (known.get(name), tests.get(name)) for name in {*known, *tests}
             if judged(known, name) != judged(tests, name)}
    return scenario.expect("each is as docs/conformance says", known and not wrong, wrong)


def judged(tests, name):
    """Of a test that needs no mesh without the control's word, which tells how fast the machine was."""
    left_out = ("without",) if name in NEEDS_NO_MESH else ()
    return {key: value for key, value in tests.get(name, {}).items() if key not in left_out}


def delete_namespaces(scenario):
    scenario.kubectl("delete", "namespace", *SUITE_NAMESPACES, "--ignore-not-found", "--timeout=90s", seconds_max=100)
