"""kube-standin and the real API server answer kubectl alike: list, selectors, pages, watch, conflict, apply, delete.

Needs no Keelson. What is expected is written down once and asked of both.
"""
import json
import pathlib
import sys
import tempfile

from harness.kubectl import Kubectl
from harness.programs import Programs
from harness.progress import Progress
from harness.versions import ROOT

sys.path.append(str(ROOT / "tests/support"))

from kube_standin import Standin  # noqa: E402

STAGE = "bare"
SECONDS_MAX = 120
PROGRAMS = ("kube-standin",)


def run(scenario):
    judge(scenario, "the real server", scenario.kubectl, scenario.namespace)
    standin = Standin(program=Programs(Progress("kube-standin")).provide(PROGRAMS)["kube-standin"])
    try:
        with tempfile.TemporaryDirectory() as folder:
            kubectl = wrapped(pathlib.Path(folder), scenario.cluster.layout.programs / "kubectl", standin.kubeconfig)
            kubectl("create", "--validate=false", "-f", "-", stdin=manifest("v1", "Namespace", scenario.namespace))
            judge(scenario, "the stand-in", kubectl, scenario.namespace)
            judge_expiry(scenario, standin, kubectl, scenario.namespace)
    finally:
        standin.close()


def wrapped(folder, program, kubeconfig):
    path = folder / "kubectl-standin"
    path.write_text(f'#!/bin/sh\nexec env HOME="{folder}" "{program}" --kubeconfig "{kubeconfig}" "$@"\n')
    path.chmod(0o755)
    return Kubectl(path)


def manifest(api_version, kind, name, **rest):
    return json.dumps({"apiVersion": api_version, "kind": kind,
                       "metadata": {"name": name, "labels": {"judged": "yes"}}, **rest})


def judge(scenario, who, kubectl, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    ours = "labelSelector=judged%3Dyes"

    def put(verb, name, value, *options):
        return kubectl.attempt(verb, "-n", namespace, *options, "--validate=false", "-f", "-",
                               stdin=manifest("v1", "ConfigMap", name, data={"x": value}))

    def read(name):
        return kubectl.json("-n", namespace, "get", "configmap", name)

    def raw(query):
        return [json.loads(line) for line in kubectl("get", "--raw", f"{path}?{ours}&{query}").splitlines()]

    def expect(what, seen, wanted):
        scenario.expect(f"{who}: {what}", seen == wanted, f"{seen}, not {wanted}")

    for name in ("a", "b", "c"):
        expect(f"create {name}", put("create", name, "1")[0], 0)
    begin = read("c")["metadata"]["resourceVersion"]
    listed = raw("limit=10")[0]
    expect("items of a built-in kind", [sorted(item) for item in listed["items"]], [["data", "metadata"]] * 3)
    expect("field selector", names(raw("fieldSelector=metadata.name%3Db")[0]), ["b"])
    page = raw("limit=2")[0]
    rest = raw("limit=2&continue=" + page["metadata"]["continue"])[0]
    expect("pages", (names(page), names(rest), rest["metadata"].get("continue", "")), (["a", "b"], ["c"], ""))

    stale = json.dumps(read("a"))
    kubectl("-n", namespace, "annotate", "configmap", "a", "judge=was-here")
    code, _, error = kubectl.attempt("replace", "--validate=false", "-f", "-", stdin=stale)
    expect("a stale update", (code, "(Conflict)" in error), (1, True))
    apply = ("--server-side", "--field-manager=one")
    expect("apply", put("apply", "d", "1", *apply)[0], 0)
    version = read("d")["metadata"]["resourceVersion"]
    put("apply", "d", "1", *apply)
    expect("apply of the same", read("d")["metadata"]["resourceVersion"], version)
    code, _, error = put("apply", "d", "2", "--server-side", "--field-manager=two")
    expect("apply of another manager", (code, '"one"' in error and "onflict" in error), (1, True))
    expect("forced apply", put("apply", "d", "3", "--server-side", "--field-manager=two", "--force-conflicts")[0], 0)

    kubectl("-n", namespace, "label", "configmap", "b", "judged-")
    kubectl("-n", namespace, "delete", "configmap", "c")
    code, _, error = kubectl.attempt("-n", namespace, "get", "configmap", "c")
    expect("get of what was deleted", (code, "(NotFound)" in error), (1, True))
    events = raw(f"watch=true&resourceVersion={begin}&timeoutSeconds=5")
    expect("watch from a version", [(event["type"], event["object"]["metadata"]["name"]) for event in events],
           [("MODIFIED", "a"), ("ADDED", "d"), ("MODIFIED", "d"), ("DELETED", "b"), ("DELETED", "c")])
    events = raw("watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
                 "allowWatchBookmarks=true&timeoutSeconds=5")
    first = [(event["type"], event["object"]["metadata"].get("name", "")) for event in events[:3]]
    expect("streaming list", sorted(first),
           [("ADDED", "a"), ("ADDED", "d"), ("BOOKMARK", "")])  # the order of the first ones is not promised
    expect("its end", events[2]["object"]["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
    code, _, error = kubectl.attempt("get", "--raw", f"{path}?watch=true&sendInitialEvents=true")
    expect("a streaming list without a match", (code, "resourceVersionMatch" in error or "nvalid" in error), (1, True))


def judge_expiry(scenario, standin, kubectl, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    page = json.loads(kubectl("get", "--raw", f"{path}?limit=1"))
    standin.steer("POST", "/standin/expire/configmaps")
    code, _, error = kubectl.attempt("get", "--raw", f"{path}?limit=1&continue={page['metadata']['continue']}")
    scenario.expect("the stand-in: an old page is gone", code == 1 and "too old" in error, error)
    event = json.loads(kubectl("get", "--raw", f"{path}?watch=true&resourceVersion=1"))
    scenario.expect("the stand-in: an old watch is gone",
                    (event["type"], event["object"]["code"]) == ("ERROR", 410), event)


def names(listed):
    return [item["metadata"]["name"] for item in listed["items"]]
