"""Every query of the Grafana dashboards has an answer from a real Prometheus that scraped the mesh at work."""
import json

from harness import apps
from harness.load import Load
from harness.mesh import CHART, NAMESPACE, Mesh, shop
from harness.prometheus import Prometheus, queries
from harness.trouble import Trouble

STAGE = "mesh"
SECONDS_MAX = 240
ANSWER_SECONDS_MAX = 60
DENIED = "while :; do curl -s -m 1 http://web; sleep 0.2; done"


def run(scenario):
    mesh = Mesh(scenario).ensure()
    shop(scenario)
    mesh.enrol()
    scenario.apply(apps.service_account("load"), only_for_load(scenario))
    load = Load(scenario, "load", "web", "node1", rate=20, is_new_each=True, account="load")
    scenario.apply(apps.command_pod("denied", ["sh", "-c", DENIED], "node1"))
    asked = [(path.stem, title, query) for path in sorted((CHART / "dashboards").glob("*.json"))
             for title, query in queries(json.loads(path.read_text()))]
    scenario.expect("the dashboards ask something", len(asked) > 20, asked)
    with made(scenario).running() as prometheus:
        for dashboard, title, query in asked:
            scenario.eventually(f"{dashboard}: {title}", lambda q=query: has_answer(prometheus, q), ANSWER_SECONDS_MAX)
        scenario.eventually("the CA's metrics, by HTTPS and the mesh's own root",
                            lambda: has_answer(prometheus, "keelson_ca_root_usable == 1"), ANSWER_SECONDS_MAX)
    load.end_without_failure()


def made(scenario):
    authority = scenario.pods("app.kubernetes.io/component=ca", NAMESPACE)[0]
    roots = scenario.kubectl.json("-n", NAMESPACE, "get", "configmap", "keelson-trust-bundle")["data"]["ca.crt"]
    return Prometheus(scenario.cluster.layout, authority["status"]["podIP"], roots)


def has_answer(prometheus, query):
    try:
        result = prometheus.ask(query)
    except Trouble as trouble:  # it is starting
        return False, str(trouble)
    return [entry for entry in result if entry["value"][1] != "NaN"], query


def only_for_load(scenario):
    principal = f"cluster.local/ns/{scenario.namespace}/sa/load"
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}},
                     "rules": [{"from": [{"source": {"principals": [principal]}}]}]}}
