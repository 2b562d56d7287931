"""What roles grant and what an audit log tells of its use are found, and what is missing is named."""
import json
import unittest

from harness import audit, services
from harness.audit import Right
from harness.layout import Layout
from harness.mesh import NAMESPACE
from harness.node_files import files
from harness.trouble import Trouble

OURS = "ours"


def role(kind, name, *rules, namespace=None):
    where = {"namespace": namespace} if namespace else {}
    return {"kind": kind, "metadata": {"name": name, **where}, "rules": list(rules)}


def rule(group, resources, verbs, names=None):
    return {"apiGroups": [group], "resources": resources, "verbs": verbs,
            **({"resourceNames": names} if names else {})}


def binding(kind, role_kind, name, *subjects, namespace=None):
    where = {"namespace": namespace} if namespace else {}
    return {"kind": kind, "metadata": {"name": name, **where}, "roleRef": {"kind": role_kind, "name": name},
            "subjects": list(subjects)}


def account(name, namespace=OURS):
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def entry(verb, code=200, user=f"system:serviceaccount:{OURS}:agent", at="2026-01-01T00:00:00.000000Z", message="",
          **target):
    return {"verb": verb, "user": {"username": user}, "requestReceivedTimestamp": at, "requestURI": "/uri",
            "responseStatus": {"code": code, "message": message}, **({"objectRef": target} if target else {})}


class GrantedTest(unittest.TestCase):
    def test_each_verb_of_each_resource_is_a_right(self):
        objects = [role("ClusterRole", "agent", rule("", ["pods", "services"], ["list", "watch"])),
                   binding("ClusterRoleBinding", "ClusterRole", "agent", account("agent"))]
        self.assertEqual({Right("agent", verb, "", resource) for verb in ("list", "watch")
                          for resource in ("pods", "services")}, audit.granted(objects, OURS))

    def test_a_role_holds_in_its_namespace_for_each_name(self):
        objects = [role("Role", "agent", rule("apps", ["leases"], ["get"], ["a", "b"]), namespace=OURS),
                   role("Role", "agent", rule("apps", ["leases"], ["delete"]), namespace="another"),
                   binding("RoleBinding", "Role", "agent", account("agent"), namespace=OURS)]
        self.assertEqual({Right("agent", "get", "apps", "leases", OURS, name) for name in ("a", "b")},
                         audit.granted(objects, OURS))

    def test_a_cluster_role_that_is_bound_in_a_namespace_holds_there(self):
        objects = [role("ClusterRole", "agent", rule("", ["pods"], ["get"])),
                   binding("RoleBinding", "ClusterRole", "agent", account("agent"), namespace="there")]
        self.assertEqual({Right("agent", "get", "", "pods", "there")}, audit.granted(objects, OURS))

    def test_others_do_not_count(self):
        objects = [role("ClusterRole", "agent", rule("", ["pods"], ["get"])),
                   binding("ClusterRoleBinding", "ClusterRole", "agent", account("agent", "another"),
                           {"kind": "User", "name": "agent"}),
                   {"kind": "ClusterRoleBinding", "metadata": {"name": "none"},
                    "roleRef": {"kind": "ClusterRole", "name": "gone"}}]
        self.assertEqual(set(), audit.granted(objects, OURS))

    def test_what_cannot_be_judged_is_an_error(self):
        bound = binding("ClusterRoleBinding", "ClusterRole", "agent", account("agent"))
        with self.assertRaisesRegex(Trouble, "ClusterRole agent that is not there"):
            audit.granted([bound], OURS)
        with self.assertRaisesRegex(Trouble, "/metrics"):
            audit.granted([bound, role("ClusterRole", "agent", {"nonResourceURLs": ["/metrics"], "verbs": ["get"]})],
                          OURS)


class UsesTest(unittest.TestCase):
    def unused(self, right, *entries, since=""):
        return audit.unused({right}, audit.uses(entries, OURS, since))

    def test_a_request_that_was_answered_is_a_use(self):
        right = Right("agent", "patch", "g", "routes/status")
        done = entry("patch", resource="routes", subresource="status", apiGroup="g", namespace="shop", name="web")
        self.assertEqual([], self.unused(right, done))
        for other in (entry("patch", resource="routes", apiGroup="g"), {**done, "verb": "update"},
                      {**done, "responseStatus": {"code": 404}}, {**done, "responseStatus": {}},
                      {**done, "user": {"username": f"system:serviceaccount:{OURS}:ca"}},
                      {**done, "user": {"username": "system:serviceaccount:another:agent"}}, entry("patch")):
            self.assertEqual(["agent: patch g/routes/status"], self.unused(right, other), other)

    def test_name_and_namespace_have_to_fit(self):
        right = Right("agent", "get", "", "secrets", OURS, "root")
        self.assertEqual([], self.unused(right, entry("get", resource="secrets", namespace=OURS, name="root")))
        for namespace, name in ((OURS, "another"), ("another", "root")):
            other = entry("get", resource="secrets", namespace=namespace, name=name)
            self.assertEqual([f"agent: get core/secrets root in {OURS}"], self.unused(right, other))

    def test_an_apply_that_makes_its_object_uses_create_too(self):
        made = entry("patch", 201, resource="nodestates", apiGroup="k", name="node1")
        for verb, code, missing in (("create", 201, False), ("patch", 201, False), ("create", 200, True)):
            seen = {**made, "responseStatus": {"code": code}}
            self.assertEqual(missing, bool(self.unused(Right("agent", verb, "k", "nodestates"), seen)), (verb, code))

    def test_a_wildcard_is_never_used(self):
        self.assertTrue(self.unused(Right("agent", "*", "", "pods"), entry("get", resource="pods")))

    def test_what_was_before_does_not_count(self):
        right, done = Right("agent", "get", "", "pods"), entry("get", resource="pods", at="2026-01-01T00:00:01.500000Z")
        self.assertEqual([], self.unused(right, done, since="2026-01-01T00:00:01.400000Z"))
        self.assertTrue(self.unused(right, done, since="2026-01-01T00:00:02.000000Z"))


class RefusedTest(unittest.TestCase):
    def test_each_is_named_once(self):
        entries = [entry("get", 403, message="not you", resource="pods")] * 2
        self.assertEqual(["agent: get /uri: not you"], audit.refused(entries, OURS))
        self.assertEqual([], audit.refused(entries, OURS, since="2027"))

    def test_others_and_namespaces_that_end_are_none(self):
        ending = "unable to create new content in namespace x because it is being terminated"
        self.assertEqual([], audit.refused([entry("get", 403, user="admin"), entry("get", 404),
                                            entry("create", 403, message=ending)], OURS))


class ServerTest(unittest.TestCase):
    def test_the_api_server_reads_the_policy_that_its_node_has(self):
        layout = Layout("a")
        command = services.command(layout, layout.control_plane, "kube-apiserver")
        path = next(word.partition("=")[2] for word in command if word.startswith("--audit-policy-file="))
        policy = json.loads(files(layout, layout.control_plane, "nftables", True)[path.lstrip("/")])
        self.assertEqual([{"level": "Metadata", "userGroups": [f"system:serviceaccounts:{NAMESPACE}"]},
                          {"level": "None"}], policy["rules"])

    def test_times_compare_as_text(self):
        self.assertRegex(audit.now(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


if __name__ == "__main__":
    unittest.main()
