"""objects: Kubernetes objects of the scenarios as YAML text.

Pure. JSON is YAML: every object is one line of it, which no indentation can break.
"""
import ipaddress
import json

PORT = 9000  # where the pods of a scenario listen


def document(*objects):
    return "".join(f"---\n{json.dumps(each)}\n" for each in objects)


def namespace(name, meshed=True):
    labels = {"keelson.dev/mesh": "enabled"} if meshed else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def account(ns, name):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": ns}}


def pod(ns, name, node, command=(), port=PORT, service_account="default"):
    """A pod of the lab; without a command it idles and scenarios run their programs in it."""
    container = {"name": "main"}
    if command:
        container |= {"command": [str(word) for word in command],
                      "ports": [{"name": "main", "containerPort": port}],
                      "readinessProbe": {"tcpSocket": {"port": port}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ns, "labels": {"app": name}},
            "spec": {"nodeName": node, "serviceAccountName": service_account, "containers": [container]}}


def service(ns, name, app, port=80, target=PORT):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns},
            "spec": {"selector": {"app": app},
                     "ports": [{"name": "http", "port": port, "targetPort": target, "appProtocol": "http"}]}}


def route(ns, name):
    """An HTTPRoute that sends every request of Service `name` to that Service."""
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": name, "port": 80}],
                     "rules": [{"backendRefs": [{"name": name, "port": 80}]}]}}


def deny_blocks(ns, name, app, blocks):
    """A policy for the pods of `app` that denies each of the address blocks: one rule of the kernel each."""
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"selector": {"matchLabels": {"app": app}}, "action": "DENY",
                     "rules": [{"from": [{"source": {"ipBlocks": list(blocks)}}]}]}}


def deny_account(ns, name, app, account_name):
    """A policy for the pods of `app` that denies one service account, "namespace/name"."""
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"selector": {"matchLabels": {"app": app}}, "action": "DENY",
                     "rules": [{"from": [{"source": {"serviceAccounts": [account_name]}}]}]}}


def blocks(count, network="10.0.0.0/8", apart_from="10.244.0.0/22"):
    """`count` addresses spread evenly over a network, none of them of the lab's pods.

    Evenly, so that the look-up of a pod's address goes as deep into the kernel's trie as that many rules make it.
    """
    whole, lab = ipaddress.ip_network(network), ipaddress.ip_network(apart_from)
    step = whole.num_addresses // count
    found = []
    for index in range(count):
        address = whole.network_address + index * step + step // 2
        if address in lab:
            address += lab.num_addresses
        found.append(str(address))
    return found
