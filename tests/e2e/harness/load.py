"""Load: keelson-load in a pod of its own, so that it goes on whatever happens to kubectl and the API server."""
import json

from harness import apps

SECONDS_MAX = 900  # of a load that nobody ends
END_SECONDS_MAX = 40
# kube-proxy refuses a Service's address until it has heard of an endpoint, which may be after the endpoint is ready.
BEGIN = 'until curl -s -o /dev/null -m 1 "$0"; do sleep 0.2; done; touch /tmp/begun; exec "$@"'
# Once, however often it is run: a second TERM would cut off the requests that still wait for their answers.
END = "mkdir /tmp/told 2>/dev/null && kill -TERM 1"


class Load:
    def __init__(self, scenario, name, service, node, rate=100, connections=8, is_new_each=False, path="/",
                 account="default"):
        """Open loop: `rate` requests a second to a Service of the scenario's namespace, from a pod on `node`."""
        self._scenario, self.name = scenario, name
        ip = scenario.kubectl.json("-n", scenario.namespace, "get", "service", service)["spec"]["clusterIP"]
        command = ["keelson-load", "--url", f"http://{service}{path}", "--connect", f"{ip}:80", "--rate", str(rate),
                   "--connections", str(connections), "--seconds", str(SECONDS_MAX)]
        if is_new_each:
            command.append("--new-connection-each")
        pod = apps.command_pod(name, ["sh", "-c", BEGIN, f"http://{ip}{path}", *command], node,
                               serviceAccountName=account)
        pod["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["test", "-e", "/tmp/begun"]},
                                                          "periodSeconds": 1}
        scenario.apply(pod)
        scenario.ready(f"pod/{name}")

    def end(self):
        """The report of keelson-load."""
        self._scenario.eventually(f"{self.name} reports", self._ends, END_SECONDS_MAX)
        return json.loads(self._log().strip().splitlines()[-1])

    def end_without_failure(self):
        report = self.end()
        failed = report["requests"] - report["ok"]
        self._scenario.expect(f"{self.name}: {failed} of {report['requests']} requests failed, {report['retried']} "
                              "were sent again", report["requests"] > 0 and not failures(report), failures(report))
        self._scenario.expect(f"{self.name} went on until it was told", report["seconds"] < SECONDS_MAX,
                              report["seconds"])
        return report

    def _ends(self):
        if self._has_ended():
            return True, ""
        # Its status says nothing: the container may end, and `kill` in it with it, before it is told.
        _, said = self._scenario.kubectl.exec(self._scenario.namespace, self.name, "sh", "-c", END, seconds_max=10)
        return False, said

    def _has_ended(self):
        status = self._scenario.kubectl.json("-n", self._scenario.namespace, "get", "pod", self.name)["status"]
        return status.get("phase") in ("Succeeded", "Failed")

    def _log(self):
        return self._scenario.kubectl("-n", self._scenario.namespace, "logs", self.name)


def failures(report):
    """Of the requests: {} or why. A kept connection that ends while it carries none is no failed request."""
    if report["ok"] == report["requests"]:
        return {}
    return {"errors": {kind: count for kind, count in report["errors"].items() if count}, "status": report["status"],
            "first": report["first_errors"]}
