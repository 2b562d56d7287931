"""The archives of `make images` are taken by the runtime of both nodes, and their programs start as pods.

Starts each program only to say what it is: what it does on a node is for other scenarios.
"""
from harness import mesh
from harness.image import contents

STAGE = "parts"
SECONDS_MAX = 120


def run(scenario):
    scenario.cluster.import_images(mesh.archives())
    scenario.tell("ok: both nodes took " + ", ".join(contents.IMAGES))
    tag = mesh.image_tag()
    nodes = [node.name for node in scenario.cluster.layout.nodes]
    pods = [pod(image.name, tag, node) for image in contents.IMAGES.values() for node in nodes]
    scenario.apply(*pods)
    for one in pods:
        name, program = one["metadata"]["name"], contents.IMAGES[one["metadata"]["labels"]["image"]].programs[0]
        scenario.eventually(f"{name} has run", lambda n=name: has_ended(scenario, n), seconds_max=40)
        output = scenario.kubectl("-n", scenario.namespace, "logs", name)
        scenario.expect(f"{name} says what it is", program in output, output)


def pod(name, tag, node):
    container = {"name": "program", "image": f"localhost/{name}:{tag}", "args": ["--help"],
                 "imagePullPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-{node}", "labels": {"image": name}},
            "spec": {"nodeName": node, "restartPolicy": "Never", "containers": [container]}}


def has_ended(scenario, name):
    status = scenario.kubectl.json("-n", scenario.namespace, "get", "pod", name)["status"]
    waiting = [str(state["state"].get("waiting", "")) for state in status.get("containerStatuses", [])]
    return status.get("phase") == "Succeeded", " ".join([status.get("phase", ""), *waiting])
