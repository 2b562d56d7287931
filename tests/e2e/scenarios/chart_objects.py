"""A real API server takes every object of charts/keelson, and helm uninstall takes them all away again.

Does not look at what the pods do: the release goes before anybody waits for them.
"""
from harness.versions import ROOT

STAGE = "install"
SECONDS_MAX = 120
CHART, RELEASE, NAMESPACE = ROOT / "charts" / "keelson", "keelson", "keelson-system"
OWNED = "app.kubernetes.io/instance=" + RELEASE
KINDS = ("daemonsets,deployments,services,serviceaccounts,configmaps,secrets,roles,rolebindings,pods,"
         "clusterroles,clusterrolebindings")
DEFINITIONS = "nodestates.keelson.dev"


def run(scenario):
    before = objects(scenario)
    scenario.expect("no release is there yet", not before, before)
    try:
        scenario.cluster.helm("install", RELEASE, CHART, "-n", NAMESPACE, "--create-namespace")
        scenario.tell("ok: helm install")
        made = objects(scenario)
        for kind in ("daemonset.apps/keelson-agent", "daemonset.apps/keelson-l7", "daemonset.apps/keelson-hold"):
            scenario.expect(f"{kind} is there", kind in made, made)
        scenario.kubectl("wait", "--for=condition=Established", f"crd/{DEFINITIONS}", "--timeout=20s")
        scenario.cluster.helm("upgrade", RELEASE, CHART, "-n", NAMESPACE, "--set", "logLevel=debug")
        scenario.tell("ok: helm upgrade")
        scenario.cluster.helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "60s")
        scenario.eventually("every object is gone", lambda: (not objects(scenario), objects(scenario)), seconds_max=40)
        scenario.kubectl("get", f"crd/{DEFINITIONS}")  # kept: objects of users hang from it
    finally:
        scenario.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=40s")
        scenario.kubectl("delete", f"crd/{DEFINITIONS}", "--ignore-not-found")


def objects(scenario):
    return scenario.kubectl("get", KINDS, "-A", "-l", OWNED, "-o", "name").split()
