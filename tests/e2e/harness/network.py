"""Network of a cluster: a hub namespace whose bridge is the wire between the nodes and the world outside them, and a
namespace for each node with eth0 on that bridge. Nothing of it is reachable from the machine's own namespace.
"""
from harness.command import run
from harness.layout import HUB_IP


def commands(layout):
    """Batches for `ip -n NETNS -batch`: {netns: lines}; pure."""
    hub = ["link set lo up", "link add br0 type bridge", f"addr add {HUB_IP}/24 dev br0", "link set br0 up"]
    batches = {layout.hub_netns: hub}
    for node in layout.nodes:
        hub += [f"link add {node.name} type veth peer name eth0 netns {node.netns}",
                f"link set {node.name} master br0 up",
                f"route add {node.pod_cidr} via {node.ip}"]
        batches[node.netns] = ["link set lo up", f"addr add {node.ip}/24 dev eth0", "link set eth0 up",
                               f"route add default via {HUB_IP}"]
        batches[node.netns] += [f"route add {other.pod_cidr} via {other.ip}"
                                for other in layout.nodes if other != node]
    # The bridge is up and addressed before routes go through it.
    return {netns: sorted(lines, key=lambda line: line.startswith("route")) for netns, lines in batches.items()}


def make(layout, record):
    for netns in [layout.hub_netns, *(node.netns for node in layout.nodes)]:
        record.add("netns", netns)
        run("ip", "netns", "add", netns)
    for netns, lines in commands(layout).items():
        run("ip", "-n", netns, "-batch", "-", stdin="\n".join(lines) + "\n")
