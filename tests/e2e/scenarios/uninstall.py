"""helm uninstall, alone, takes Keelson off every node: not one request fails, and nothing is left of it.

Also with policies that need identities: no node may still refuse those whose identity is gone already.
"""
import json
import re

import yaml

from harness import apps, audit
from harness.command import attempt
from harness.load import Load
from harness.mesh import NAMESPACE, RELEASE, Mesh, shop
from harness.trouble import Trouble

STAGE = "uninstall"
IS_LOAD = True
SECONDS_MAX = 420
KUBELET_SWEEPS_SECONDS_MAX = 90  # it removes ended containers once a minute
UNINSTALL_SECONDS_MAX = 330  # helm itself gives hooks five minutes
GONE_SECONDS_MAX = 90
KEPT = 4
UNINSTALLER = "keelson-uninstall"
# kube-proxy keeps the chains of a Service that is gone, empty, for up to an hour, and keelson-system is in their names.
OF_KUBE_PROXY = re.compile(r"(?ms)^table \w+ kube-proxy \{.*?^\}$")
PINS = "/sys/fs/bpf/keelson"
FILES = ("/etc/cni/net.d/00-keelson.conflist", "/opt/cni/bin/keelson-cni", PINS)
FOLDERS = ("/run/keelson", "/var/lib/keelson")  # of the kubelet's making; they stay, empty
OWNED = f"app.kubernetes.io/instance={RELEASE}"
IN_NAMESPACE = "leases,configmaps,secrets,serviceaccounts,roles,rolebindings,services,networkpolicies,resourcequotas"
OF_KUBERNETES = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
KINDS = ("daemonsets,deployments,jobs,pods,services,serviceaccounts,configmaps,secrets,roles,rolebindings,"
         "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings")


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    scenario.apply(apps.service("web", "routed"), apps.route("routed"))
    mesh.enrol()
    require_identities(scenario)
    nodes = scenario.cluster.layout.nodes
    programs = {node.name: linked_programs(scenario, node) for node in nodes}
    scenario.expect("every node has links of ours", all(programs.values()), programs)
    loads = [Load(scenario, f"from-{node.name}", "web", node.name, rate=200, is_new_each=True) for node in nodes]
    loads.append(Load(scenario, "kept", "routed", "node1", connections=KEPT))
    rights, began = hook_rights(scenario), audit.now()
    code, out, err = attempt(scenario.cluster.layout.bin / "helm", "uninstall", RELEASE, "-n", NAMESPACE,
                             seconds_max=UNINSTALL_SECONDS_MAX)
    scenario.expect("helm uninstall", code == 0, out + err)
    scenario.expect("helm shows what was waited for", "2 of 2 nodes are out of the mesh" in err, out + err)
    scenario.eventually("every object of the release is gone", lambda: (not objects(scenario), objects(scenario)),
                        seconds_max=GONE_SECONDS_MAX)
    rights_used(scenario, rights, began)
    reports = {load.name: load.end_without_failure() for load in loads}
    opened = reports["kept"]["connections_opened"]
    scenario.expect("kept connections ended in order, and others took their place", opened > KEPT, opened)
    states = scenario.kubectl("get", "nodestates", "-o", "name")
    scenario.expect("no NodeState is left", not states.strip(), states)
    left = scenario.kubectl("-n", NAMESPACE, "get", IN_NAMESPACE, "-o", "name").split()
    scenario.expect(f"nothing is left in {NAMESPACE} that another installation would meet", set(left) <= OF_KUBERNETES,
                    left)
    for node in nodes:
        nothing_left(scenario, node, programs[node.name])
        starts(scenario, node)


def hook_rights(scenario):
    """What the hook may do: its roles are there only while it runs."""
    hooks = yaml.safe_load_all(scenario.cluster.helm("get", "hooks", RELEASE, "-n", NAMESPACE))
    return audit.granted(filter(None, hooks), NAMESPACE)


def rights_used(scenario, rights, since):
    accounts = {right.account for right in rights}
    scenario.expect("the hook's account has rights", accounts == {UNINSTALLER}, accounts)
    entries = audit.Trail(scenario.cluster).entries()
    missing = audit.unused(rights, audit.uses(entries, NAMESPACE, since))
    scenario.expect("the hook used every one of them", not missing, missing)
    refusals = [refusal for refusal in audit.refused(entries, NAMESPACE, since) if refusal.startswith(UNINSTALLER)]
    scenario.expect("and was refused nothing", not refusals, refusals)


def require_identities(scenario):
    """Only the mesh's own may call, and only encrypted."""
    account = f"cluster.local/ns/{scenario.namespace}/sa/default"
    scenario.apply({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "strict"},
                    "spec": {"mtls": {"mode": "STRICT"}}},
                   {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "own"},
                    "spec": {"action": "ALLOW", "rules": [{"from": [{"source": {"principals": [account]}}]}]}})
    for _ in range(3):
        code, output = scenario.curl("client", f"http://web.{scenario.namespace}")
        scenario.expect("its own are let in", code == 0 and " on node" in output, output)


def linked_programs(scenario, node):
    """The ids of the programs that run by links pinned on a node: other clusters of this machine share its kernel."""
    links = [name for name in on_node(scenario, node, "ls", PINS).split()
             if name.startswith(("link_", "lookup_", "source_"))]
    return {json.loads(on_node(scenario, node, "bpftool", "-j", "link", "show", "pinned", f"{PINS}/{name}"))["prog_id"]
            for name in links}


def on_node(scenario, node, *command):
    code, out, err = scenario.cluster.on_node(node, *command)
    if code != 0:
        raise Trouble(f"{' '.join(command)} on {node.name}: exit status {code}: {err}")
    return out


def nothing_left(scenario, node, programs):
    for path in FILES:
        code, _, _ = scenario.cluster.on_node(node, "test", "-e", path)
        scenario.expect(f"no {path} on {node.name}", code != 0)
    _, found, _ = scenario.cluster.on_node(node, "find", *FOLDERS, "-mindepth", "1")
    scenario.expect(f"nothing in {' and '.join(FOLDERS)} on {node.name}", not found.strip(), found)
    scenario.eventually(f"no program of ours is loaded on {node.name}",
                        lambda: (not programs & loaded(scenario, node), programs & loaded(scenario, node)))
    for command in (("nft", "list", "ruleset"), ("ip", "rule")):
        out = OF_KUBE_PROXY.sub("", on_node(scenario, node, *command))
        scenario.expect(f"no trace of ours in `{' '.join(command)}` on {node.name}",
                        "keelson" not in out, out[-2000:])
    scenario.eventually(f"no container of ours and no mount of its image on {node.name}",
                        lambda: ("keelson-" not in containers(scenario, node), containers(scenario, node)),
                        KUBELET_SWEEPS_SECONDS_MAX)


def containers(scenario, node):
    return on_node(scenario, node, "ctr", "-n", "k8s.io", "containers", "list")


def loaded(scenario, node):
    return {program["id"] for program in json.loads(on_node(scenario, node, "bpftool", "-j", "prog", "show"))}


def objects(scenario):
    return scenario.kubectl("get", KINDS, "-A", "-l", OWNED, "-o", "name").split()


def starts(scenario, node):
    name = f"after-{node.name}"
    scenario.apply(apps.client(name, node=node.name))
    scenario.ready(f"pod/{name}", seconds_max=40)
    code, output = scenario.curl(name, f"http://web.{scenario.namespace}")
    scenario.expect(f"a new pod on {node.name} starts and is answered", code == 0 and " on node" in output, output)
