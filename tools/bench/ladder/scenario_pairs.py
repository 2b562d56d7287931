"""pairs: what 900 pod pairs on two nodes with one connection each hold at both proxies: 900 tunnels between identities.

Thirty pods on each node, each with an identity of its own. A round begins with proxies that were just started.
Blocking.
"""
import pathlib
import sys

from ladder import exposition, memory, objects
from ladder.mesh import Mesh, MeshError, end

NAME = "idle-pairs"
DESCRIPTION = "900 pod pairs across nodes with one connection each: memory of both proxies"
PREFIX = "keelson-lab-pairs"
NEAR, FAR, NAMESPACE = "node1", "node2", "pairs"
SIDES = {"client": NEAR, "server": FAR}
PODS = 30  # of each node
ROUNDS = {"quick": 2, "full": 5}
HOLDER = pathlib.Path(__file__).resolve().parent / "holder.py"
TUNNELS_SECONDS = 20  # for all tunnels; the proxy tells their number every 5


def names(side):
    return [f"{side}{index:02}" for index in range(PODS)]


def manifest(probe):
    def pod(name, node, command=()):
        return (objects.account(NAMESPACE, name),
                objects.pod(NAMESPACE, name, node, command, service_account=name))

    found = [objects.namespace(NAMESPACE)]
    for name in names("client"):
        found += pod(name, NEAR)
    for name in names("server"):
        found += pod(name, FAR, (probe, "listen", "--at", f"0.0.0.0:{objects.PORT}"))
    return objects.document(*found)


def private(mesh):
    pids = mesh.pids()
    return {side: memory.private(pids[f"proxy@{node}"]) for side, node in SIDES.items()}


def hold(mesh, addresses):
    """Thirty holders, each with a connection to every server."""
    servers = [addresses[name] for name in names("server")]
    holders = [mesh.start(NEAR, name, sys.executable, HOLDER, objects.PORT, *servers, keep_output=True)
               for name in names("client")]
    for holder in holders:
        if holder.stdout.readline().strip() != "holding":
            raise MeshError(holder.stderr.read().strip() or "a holder ended")
    return holders


def tunnels(mesh):
    return exposition.total(mesh.metrics(FAR), "keelson_proxy_tunnels_active")


def one_round(mesh, addresses):
    """side -> MiB that the connections add."""
    mesh.restart_proxies()
    before = private(mesh)
    holders = hold(mesh, addresses)
    mesh.wait(lambda: tunnels(mesh) >= PODS * PODS, f"there are not {PODS * PODS} tunnels", TUNNELS_SECONDS)
    after = private(mesh)
    for holder in holders:
        end(holder)
    return {side: after[side] - before[side] for side in SIDES}


def to_lines(rounds):
    def line(variant, samples):
        return {"id": f"idle/{variant}/mib", "group": "idle", "variant": variant, "metric": "mib", "unit": "MiB",
                "connections": PODS * PODS, "samples": samples}

    return [line("pairs900", [max(each.values()) for each in rounds]),
            *(line(f"pairs900-{side}", [each[side] for each in rounds]) for side in SIDES)]


def run(bench):
    folder = bench.folder / NAME
    folder.mkdir(parents=True)
    (folder / "pods.yaml").write_text(manifest(bench.bin_dir / "keelson-probe"))
    with Mesh(bench.bin_dir, PREFIX, options=("--proxy-workers", "1")) as mesh:
        mesh.up(folder)
        addresses = mesh.pods()
        return to_lines([one_round(mesh, addresses) for _ in range(ROUNDS[bench.mode.name])])
