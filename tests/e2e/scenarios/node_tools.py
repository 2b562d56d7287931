"""On a node, bpftool lists our programs, links and maps with named fields; keelsonctl names whose they are."""
import json

from harness.mesh import NAMESPACE, Mesh, shop

STAGE = "mesh"
SECONDS_MAX = 240
DUMP = ("bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/keelson/ks_pod")


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
    scenario.expect("a map's rows have named fields", *named_fields(scenario.cluster.on_node(node, *DUMP)))
    # The kernel shows a map's types to CAP_SYS_ADMIN only, which the agent itself can do without.
    try:
        mesh.upgrade("agent.extraCapabilities={SYS_ADMIN}")
        mesh.part_ready("agent", seconds_max=120)
        answer = scenario.kubectl.attempt("exec", "-n", NAMESPACE, mesh.pod("agent", "node1"), "--", *DUMP)
        scenario.expect("`bpftool map dump pinned` in the agent's pod likewise", *named_fields(answer))
    finally:
        mesh.upgrade()
    mesh.part_ready("agent", seconds_max=120)
    links = mesh.ctl_json("node1", "bpf", "links")
    scenario.expect("keelsonctl joins links with pods", f"{scenario.namespace}/client" in json.dumps(links), links)


def on_node(scenario, node, *words):
    code, out, err = scenario.cluster.on_node(node, "bpftool", "-j", *words)
    scenario.expect(f"bpftool {' '.join(words)} on {node.name}", code == 0, err)
    return json.loads(out)


def named_fields(answer):
    """Whether there are rows, each with names, and what was seen."""
    code, out, err = answer
    rows = json.loads(out) if code == 0 else []
    return bool(rows) and all(isinstance(row["formatted"]["value"], dict) for row in rows), out + err
