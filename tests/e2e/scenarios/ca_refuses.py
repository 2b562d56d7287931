"""keelson-ca signs for whom a pod lives on the asking node, and for nobody else: generated tries with real tokens.

The nodes that ask are objects without a machine, each with a pod like an agent's: so every rule is reached, and no
node's limit is used up that has an agent.
"""
import random

from harness import ca_client, ca_objects, ca_tries
from harness.command import run as command
from harness.mesh import NAMESPACE, Mesh

STAGE = "mesh"
SECONDS_MAX = 240
TRIES, ASK_SECONDS_MAX = 500, 90
LIMIT = 120  # requests of one node at once
PORT = 15012


def run(scenario):
    Mesh(scenario).ensure()
    try:
        ca_objects.populate(scenario)
        ca = Ca(scenario)
        judge(scenario, ca)
        limit(scenario, ca)
    finally:
        ca_objects.depopulate(scenario)


class Ca:
    def __init__(self, scenario):
        self._namespace, self._node = scenario.namespace, scenario.cluster.layout.control_plane
        bundle = scenario.kubectl.json("-n", NAMESPACE, "get", "configmap", "keelson-trust-bundle")
        service = scenario.kubectl.json("-n", NAMESPACE, "get", "service", "keelson-ca")
        self._trust, self._address = bundle["data"]["ca.crt"], (service["spec"]["clusterIP"], PORT)
        self._tokens, self._requests = ca_objects.tokens(scenario), ca_objects.requests()

    def ask(self, tries):
        """[(status, answer)], as they are asked."""
        return ca_client.ask(self._node, self._address, self._trust, map(self._given, tries), ASK_SECONDS_MAX)

    def _given(self, asked):
        is_other = asked.account == "of-another-namespace"
        body = {"csr": self._requests[asked.request], "namespace": "default" if is_other else self._namespace,
                "serviceAccount": "live" if is_other else asked.account}
        return {"token": self._tokens[asked.node if asked.token == "agent" else asked.token], "body": body}


def judge(scenario, ca):
    seed = random.randrange(1 << 32)
    tries = ca_tries.generate(random.Random(seed), ca_objects.ASKING, TRIES)
    wrong, said = [], {}
    for asked, (status, answer) in zip(tries, ca.ask(tries), strict=True):
        outcome = outcome_of(status, answer)
        said[outcome] = said.get(outcome, 0) + 1
        is_right = outcome in asked.reasons() or \
            (not asked.reasons() and status == 200 and name_in(answer) == name_of(scenario, asked))
        if not is_right:
            wrong.append((asked, outcome))
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(said.items()))
    scenario.expect(f"nobody gets what is not due, and everybody what is (seed {seed}): {told}",
                    said.get("granted") and not wrong, wrong[:5])


def limit(scenario, ca):
    asked = ca_tries.right(ca_objects.LIMITED, account="without-pod")
    said = [outcome_of(*answer) for answer in ca.ask([asked] * (2 * LIMIT))]
    allowed = said.index("ca_node_limit") if "ca_node_limit" in said else len(said)
    scenario.expect("what a node asks within its limit is judged", allowed >= LIMIT and
                    set(said[:allowed]) == {"ca_no_live_pod"}, said[:allowed])
    scenario.expect("what it asks beyond is refused for that", allowed < len(said), allowed)
    [(status, answer)] = ca.ask([ca_tries.right(ca_objects.ASKING[0])])
    scenario.expect("others are answered meanwhile", status == 200, outcome_of(status, answer))


def outcome_of(status, answer):
    return "granted" if status == 200 else answer.get("error", {}).get("code", f"status {status}")


def name_of(scenario, asked):
    return f"/ns/{scenario.namespace}/sa/{asked.account}"


def name_in(answer):
    """The path of the only name in the first certificate of a chain."""
    lines = command("openssl", "x509", "-noout", "-ext", "subjectAltName", stdin=answer["chain"]).splitlines()
    [name] = [line.strip() for line in lines if ":" in line and "Alternative" not in line]
    return "/" + name.removeprefix("URI:spiffe://").partition("/")[2]
