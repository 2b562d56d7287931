"""On a node, bpftool lists our programs, links and maps with named fields; keelsonctl explains the node."""
import json

from harness.mesh import NAMESPACE, Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 150
PINS = "/sys/fs/bpf/keelson"


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    node = scenario.cluster.layout.node("node1")
    programs = on_node(scenario, node, "prog", "show")
    ours = {program["name"] for program in programs if program.get("name", "").startswith("ks_")}
    scenario.expect("bpftool on the node lists our programs", len(ours) >= 4, ours)
    maps = {entry["name"]: entry for entry in on_node(scenario, node, "map", "show")
            if entry.get("name", "").startswith("ks_")}
    scenario.expect("and our maps with types", maps and any("btf_id" in entry for entry in maps.values()), list(maps))
    ids = {program["id"] for program in programs if program.get("name") in ours}
    links = [link for link in on_node(scenario, node, "link", "show") if link.get("prog_id") in ids]
    scenario.expect("and our links, also in pods", any(link["type"] == "netns" for link in links), links)
    pods = named_fields(scenario, mesh, "ks_pod")
    scenario.expect("`bpftool map dump pinned` works in the agent's pod, with named fields", pods, pods)


def on_node(scenario, node, *words):
    code, out, err = scenario.cluster.on_node(node, "bpftool", "-j", *words)
    scenario.expect(f"bpftool {' '.join(words)} on {node.name}", code == 0, err)
    return json.loads(out)


def named_fields(scenario, mesh, name):
    dump = ("bpftool", "-j", "map", "dump", "pinned", f"{PINS}/{name}")
    code, output = scenario.kubectl.exec(NAMESPACE, mesh.pod("agent", "node1"), *dump)
    entries = json.loads(output) if code == 0 else []
    has_names = all(isinstance(entry.get("formatted", {}).get("value"), dict) for entry in entries)
    return entries if has_names else []
