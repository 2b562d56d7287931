"""policy scale: what a new connection costs when the pod that it reaches has 10, 1,000 or 100,000 rules.

Three pods of one node, each with a policy of as many address blocks, none of which is the client's; connections of
one client to each in turns. CPU is the client's own: the receiving kernel's part runs in its softirq. Blocking.
"""
import json

from ladder import objects
from ladder.mesh import Mesh

NAME = "policy-scale"
DESCRIPTION = "a new connection on one node at 10, 1,000 and 100,000 rules"
PREFIX = "keelson-lab-scale"
NODE, NAMESPACE = "node1", "scale"
SIZES = (10, 1_000, 100_000)
CORE = 0  # of client and listeners
ROUNDS = {"quick": 15, "full": 41}
CONNECTIONS = {"quick": 1500, "full": 4000}
PATIENCE = {"quick": 30, "full": 240}  # seconds for the largest policy to be in the kernel


def pod_name(size):
    return f"rules{size}"


def manifest(probe):
    listeners = [objects.pod(NAMESPACE, pod_name(size), NODE, (probe, "listen", "--at", f"0.0.0.0:{objects.PORT}"))
                 for size in SIZES]
    return objects.document(objects.namespace(NAMESPACE), objects.pod(NAMESPACE, "client", NODE), *listeners)


def has_rules(status, generation, writes):
    """A later plan than `generation` is in the kernel, with at least so many rows written."""
    return status.get("generation", {}).get("applied", 0) > generation and \
        status.get("rollout", {}).get("map_writes", 0) >= writes


def add_rules(bench, mesh, size):
    """Whether the policy of `size` rules is in force; if not, it is reported and gone again."""
    before = mesh.status(NODE)
    wanted = before["rollout"]["map_writes"] + size
    name = f"bench-{size}.yaml"
    policy = objects.deny_blocks(NAMESPACE, pod_name(size), pod_name(size), objects.blocks(size))
    mesh.put(name, objects.document(policy))
    patience = PATIENCE[bench.mode.name]
    if mesh.holds(lambda: has_rules(mesh.status(NODE), before["generation"]["applied"], wanted), patience):
        return True
    mesh.drop(name)
    bench.miss(f"{NAME}/rules{size}", f"the agent had not put {size} rules into the kernel after {patience} s")
    return False


def connect(mesh, probe, address, count):
    text = mesh.run(NODE, "client", probe, "connect", "--to", f"{address}:{objects.PORT}", "--count", count, cpu=CORE)
    return json.loads(text)


def to_lines(samples):
    """size -> [what the probe said, round by round], as lines."""
    def line(size, metric, values):
        return {"id": f"{NAME}/rules{size}/{metric}", "group": NAME, "variant": pod_name(size), "metric": metric,
                "unit": "us", "samples": values}

    lines = []
    for size, costs in samples.items():
        lines.append(line(size, "connect_cpu", [cost["cpu_us"] for cost in costs]))
        lines.append(line(size, "connect_p50", [cost["connect_us"]["p50"] for cost in costs]))
    return lines


def run(bench):
    probe = bench.bin_dir / "keelson-probe"
    folder = bench.folder / NAME
    folder.mkdir(parents=True)
    (folder / "pods.yaml").write_text(manifest(probe))
    with Mesh(bench.bin_dir, PREFIX, nodes=(NODE,)) as mesh:
        mesh.up(folder)
        mesh.pin(CORE, *(f"pod:{pod_name(size)}/main" for size in SIZES))
        sizes = [size for size in SIZES if add_rules(bench, mesh, size)]
        addresses = mesh.pods()
        samples = {size: [] for size in sizes}
        for _ in range(ROUNDS[bench.mode.name]):
            for size in sizes:
                cost = connect(mesh, probe, addresses[pod_name(size)], CONNECTIONS[bench.mode.name])
                if cost["failed"]:
                    raise RuntimeError(f"{cost['failed']} connections refused at {size} rules, errno {cost['errno']}")
                samples[size].append(cost)
    return to_lines(samples)
