"""big_config: a mesh of 1,000 Services, each with a route, and 10,000 pods on other nodes, as files for an agent.

Pure: name -> text. A file for each namespace and one for each node, as an export of a cluster would be.
"""
import ipaddress

from ladder import objects

SERVICES, PODS, NAMESPACES, NODES = 1_000, 10_000, 20, 100
POD_NETWORK = ipaddress.ip_network("10.64.0.0/12")
SERVICE_NETWORK = ipaddress.ip_network("10.112.0.0/16")


def namespace_of(service):
    return f"scale{service % NAMESPACES:02}"


def service_name(service):
    return f"svc-{service:04}"


def pod_of(index):
    """(service, node, address) of pod `index`: neighbours are on other nodes and of other Services."""
    return index % SERVICES, index % NODES, str(POD_NETWORK.network_address + 256 + index)


def pod_name(index):
    return f"{service_name(index % SERVICES)}-{index // SERVICES}"


def service(number):
    whole = objects.service(namespace_of(number), service_name(number), service_name(number))
    address = str(SERVICE_NETWORK.network_address + 1 + number)
    whole["metadata"]["uid"] = f"uid-{service_name(number)}"
    whole["spec"] |= {"clusterIP": address, "clusterIPs": [address]}
    return whole


def endpoint(index):
    number, node, address = pod_of(index)
    return {"addresses": [address], "nodeName": f"far{node:02}",
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": namespace_of(number), "name": pod_name(index),
                          "uid": f"uid-{pod_name(index)}"}}


def slice_of(number):
    name = service_name(number)
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": f"{name}-ipv4", "namespace": namespace_of(number),
                         "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "http", "port": objects.PORT, "protocol": "TCP", "appProtocol": "http"}],
            "endpoints": [endpoint(index) for index in range(number, PODS, SERVICES)]}


def node_state(node):
    def entry(index):
        number, _, address = pod_of(index)
        return {"uid": f"uid-{pod_name(index)}", "namespace": namespace_of(number), "name": pod_name(index),
                "serviceAccount": service_name(number), "addresses": [address], "state": "ready"}

    return {"apiVersion": "keelson.dev/v1alpha1", "kind": "NodeState", "metadata": {"name": f"far{node:02}"},
            "pods": [entry(index) for index in range(node, PODS, NODES)]}


def object_files():
    files = {}
    for number in range(NAMESPACES):
        ns = f"scale{number:02}"
        of_namespace = range(number, SERVICES, NAMESPACES)
        files[f"{ns}.yaml"] = objects.document(
            objects.namespace(ns),
            *(objects.account(ns, service_name(each)) for each in of_namespace),
            *(service(each) for each in of_namespace), *(slice_of(each) for each in of_namespace),
            *(objects.route(ns, service_name(each)) for each in of_namespace))
    return files


def node_state_files():
    return {f"far{node:02}.yaml": objects.document(node_state(node)) for node in range(NODES)}
