"""Audit: what the API server was asked by service accounts, held against what their roles grant.

The API server writes down each request of Keelson's accounts, from the start of the cluster to its end. Pure but for
`Trail`. A wildcard in a role matches nothing that is asked: it counts as a right that nobody uses.
"""
import datetime
import json
from dataclasses import dataclass

from harness.trouble import Trouble

POLICY_FILE, FOLDER = "/etc/keelson-e2e/audit.yaml", "/var/log/keelson-e2e"
MEGABYTES_MAX, KEPT = 32, 3  # of one file, and of files that are full
OF_A_GROUP = "system:serviceaccounts:"
OF_AN_ACCOUNT = "system:serviceaccount:"
ROLE_KINDS = "roles,rolebindings,clusterroles,clusterrolebindings"
ENDING_NAMESPACE = "because it is being terminated"  # refuses new objects to everybody


def policy(namespace):
    """Logs who asks what, of the service accounts of a namespace; a watch once it is answered, not when it ends."""
    return json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
                       "rules": [{"level": "Metadata", "userGroups": [OF_A_GROUP + namespace]}, {"level": "None"}]})


def flags():
    """Of the API server; it writes an entry before it answers."""
    return [f"--audit-policy-file={POLICY_FILE}", f"--audit-log-path={FOLDER}/audit.log",
            f"--audit-log-maxsize={MEGABYTES_MAX}", f"--audit-log-maxbackup={KEPT}"]


@dataclass(frozen=True, order=True)
class Right:
    account: str
    verb: str
    group: str
    resource: str        # with its subresource: "httproutes/status"
    namespace: str = ""  # all of them
    name: str = ""       # any

    def __str__(self):
        where = f" in {self.namespace}" if self.namespace else ""
        named = f" {self.name}" if self.name else ""
        return f"{self.account}: {self.verb} {self.group or 'core'}/{self.resource}{named}{where}"

    def covers(self, use):
        return (self.account, self.verb, self.group, self.resource) == \
            (use.account, use.verb, use.group, use.resource) and \
            self.namespace in ("", use.namespace) and self.name in ("", use.name)


def granted(objects, namespace):
    """{Right}: what the bindings among the objects give to service accounts of a namespace."""
    objects = list(objects)
    roles = {key_of(found["kind"], found["metadata"]): found for found in objects
             if found["kind"] in ("Role", "ClusterRole")}
    rights = set()
    for binding in objects:
        if binding["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        where = binding["metadata"].get("namespace", "")
        accounts = [subject["name"] for subject in binding.get("subjects") or []
                    if subject["kind"] == "ServiceAccount" and subject.get("namespace", where) == namespace]
        if not accounts:
            continue
        reference = binding["roleRef"]
        key = key_of(reference["kind"], {"name": reference["name"], "namespace": where})
        if key not in roles:
            raise Trouble(f"{binding['kind']} {binding['metadata']['name']} gives a {reference['kind']} "
                          f"{reference['name']} that is not there")
        rights.update(right for account in accounts for rule in roles[key].get("rules") or []
                      for right in of_rule(rule, account, where))
    return rights


def key_of(kind, metadata):
    return kind, metadata.get("namespace", "") if kind == "Role" else "", metadata["name"]


def of_rule(rule, account, namespace):
    if "nonResourceURLs" in rule:
        raise Trouble(f"{account} may {rule['verbs']} {rule['nonResourceURLs']}: only resources can be told apart here")
    return [Right(account, verb, group, resource, namespace, name) for group in rule["apiGroups"]
            for resource in rule["resources"] for verb in rule["verbs"] for name in rule.get("resourceNames") or [""]]


def account_of(entry, namespace):
    """Which service account of a namespace asked; "" for others."""
    prefix = f"{OF_AN_ACCOUNT}{namespace}:"
    user = entry["user"]["username"]
    return user[len(prefix):] if user.startswith(prefix) else ""


def asked(entry, namespace):
    """[Right]: what a request needed; an update or apply that makes its object needs `create` too."""
    account, target = account_of(entry, namespace), entry.get("objectRef")
    if not account or not target:
        return []
    verbs = {entry["verb"], *(["create"] if code_of(entry) == 201 else [])}
    resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
    return [Right(account, verb, target.get("apiGroup", ""), resource, target.get("namespace", ""),
                  target.get("name", "")) for verb in sorted(verbs)]


def code_of(entry):
    return entry.get("responseStatus", {}).get("code", 0)


def uses(entries, namespace, since=""):
    """{Right}: what was asked and done."""
    return {use for entry in entries if entry["requestReceivedTimestamp"] >= since and 0 < code_of(entry) < 400
            for use in asked(entry, namespace)}


def unused(rights, used):
    """["account: verb group/resource name in namespace"] of the rights that nothing needed."""
    return [str(right) for right in sorted(rights) if not any(map(right.covers, used))]


def refused(entries, namespace, since=""):
    """["account: GET ...: message"]: what may not be asked, and was."""
    found = {f"{account_of(entry, namespace)}: {entry['verb']} {entry['requestURI']}: "
             f"{entry['responseStatus'].get('message', '')}"
             for entry in entries if entry["requestReceivedTimestamp"] >= since and account_of(entry, namespace)
             and code_of(entry) == 403 and ENDING_NAMESPACE not in entry["responseStatus"].get("message", "")}
    return sorted(found)


def now():
    """As the API server writes it down."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Trail:
    def __init__(self, cluster):
        self._cluster = cluster

    def entries(self):
        """All since the cluster came up, as objects."""
        files = self._on_control_plane("find", FOLDER, "-name", "*.log").split()
        if not files:
            raise Trouble(f"no audit log in {FOLDER} on {self._cluster.layout.control_plane.name}: the cluster came up "
                          "before it had one, take it down (tests/e2e/cluster down)")
        if len(files) > KEPT:
            raise Trouble(f"the audit log is over {KEPT * MEGABYTES_MAX} MB and about to lose its oldest entries: "
                          "raise KEPT in tests/e2e/harness/audit.py")
        return [json.loads(line) for line in self._on_control_plane("cat", *files).splitlines() if line]

    def _on_control_plane(self, *command):
        node = self._cluster.layout.control_plane
        code, out, err = self._cluster.on_node(node, *command)
        if code != 0:
            raise Trouble(f"{' '.join(command)} on {node.name}: exit status {code}: {err}")
        return out
