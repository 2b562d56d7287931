"""HTTPRoute: by header and by weight, also for a caller whose connection is kept; its status says that it is taken."""
import collections

from harness import apps
from harness.mesh import Mesh

STAGE = "mesh"
SECONDS_MAX = 180
CALLS, LEAST = 60, 12  # of 60 at even weights: fewer than 12 for one of them is one run in a million


def run(scenario):
    mesh = Mesh(scenario).ensure()
    for app in ("v1", "v2"):
        scenario.apply(apps.fast_web_deployment(app, 1), apps.service(app))
    scenario.apply(apps.service("v1", "web"), apps.client(node="node1"))
    scenario.ready("deployment/v1", "deployment/v2", "pod/client")
    mesh.enrol()
    scenario.apply(apps.route("web", [rule([("v2", 1)], matches=[{"headers": [{"name": "x-version", "value": "2"}]}]),
                          rule([("v1", 1)])]))
    scenario.eventually("the header chooses v2", lambda: said(scenario, "v2-", "-H", "x-version: 2"))
    scenario.expect("without it v1 answers", *said(scenario, "v1-"))
    scenario.eventually("the status says that the route is taken", lambda: is_taken(scenario))
    scenario.apply(apps.route("web", [rule([("v1", 1), ("v2", 1)])]))
    scenario.eventually("the new rule is in force", lambda: said(scenario, "v2-"))
    split = calls(scenario)
    scenario.expect("even weights split evenly",
                    sum(split.values()) == CALLS and min(split["v1"], split["v2"]) >= LEAST, split)
    scenario.apply(apps.route("web", [rule([("none", 1)])]))
    scenario.eventually("a backend that is not there is told", lambda: is_unresolved(scenario))
    # The status is the leader's word; the client's node may come to it later.
    scenario.eventually("and answers 500", lambda: said(scenario, "500", "-o", "/dev/null", "-w", "%{http_code}"))


def rule(backends, **more):
    return {"backendRefs": [{"name": name, "port": 80, "weight": weight} for name, weight in backends], **more}


def said(scenario, word, *options):
    code, output = scenario.curl("client", f"http://web.{scenario.namespace}", *options)
    return code == 0 and output.startswith(word), output


def calls(scenario):
    """Who answered CALLS requests over one connection."""
    url = f"http://web.{scenario.namespace}/?[1-{CALLS}]"
    _, output = scenario.curl("client", url, "-m", "20")
    return collections.Counter(line.partition("-")[0] for line in output.splitlines())


def conditions(scenario):
    """{type: condition} that Keelson set for the parent."""
    parents = scenario.kubectl.json("-n", scenario.namespace, "get", "httproute", "web").get("status", {})
    return {condition["type"]: condition for parent in parents.get("parents", [])
            if parent["controllerName"].startswith("keelson.dev/") for condition in parent["conditions"]}


def is_taken(scenario):
    seen = conditions(scenario)
    return all(seen.get(kind, {}).get("status") == "True" for kind in ("Accepted", "ResolvedRefs")), seen


def is_unresolved(scenario):
    seen = conditions(scenario)
    return seen.get("ResolvedRefs", {}).get("reason") == "BackendNotFound", seen
