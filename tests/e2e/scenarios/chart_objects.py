"""A real API server takes every object of charts/keelson, and helm uninstall, without its hook, takes all away again.

For no node: what pods of it do is for other scenarios, and whether the nodes have the images does not matter here.
"""
from harness.mesh import CHART, NAMESPACE, RELEASE

STAGE = "parts"
SECONDS_MAX = 120
OWNED = "app.kubernetes.io/instance=" + RELEASE
KINDS = ("daemonsets,deployments,services,serviceaccounts,configmaps,secrets,roles,rolebindings,pods,"
         "clusterroles,clusterrolebindings")
DEFINITION = "nodestates.keelson.dev"
FOR_NO_NODE = [word for part in ("agent", "l7", "hold", "ca")
               for word in ("--set", f"{part}.nodeSelector.e2e=nowhere")]


def run(scenario):
    before = objects(scenario)
    scenario.expect("no release is there yet", not before, before)
    try:
        scenario.cluster.helm("install", RELEASE, CHART, "-n", NAMESPACE, "--create-namespace", *FOR_NO_NODE)
        scenario.tell("ok: helm install")
        made = objects(scenario)
        for kind in ("daemonset.apps/keelson-agent", "daemonset.apps/keelson-l7", "daemonset.apps/keelson-hold"):
            scenario.expect(f"{kind} is there", kind in made, made)
        scenario.kubectl("wait", "--for=condition=Established", f"crd/{DEFINITION}", "--timeout=20s")
        scenario.cluster.helm("upgrade", RELEASE, CHART, "-n", NAMESPACE, *FOR_NO_NODE, "--set", "logLevel=debug")
        scenario.tell("ok: helm upgrade")
        # No agent runs that the hook could wait for, and perhaps the nodes do not have its image.
        scenario.cluster.helm("uninstall", RELEASE, "-n", NAMESPACE, "--no-hooks", "--wait", "--timeout", "60s")
        scenario.eventually("every object is gone", lambda: (not objects(scenario), objects(scenario)), seconds_max=40)
        scenario.kubectl("get", f"crd/{DEFINITION}")  # kept: objects of users hang from it
    finally:
        scenario.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=40s")
        scenario.kubectl("delete", f"crd/{DEFINITION}", "--ignore-not-found")


def objects(scenario):
    return scenario.kubectl("get", KINDS, "-A", "-l", OWNED, "-o", "name").split()
