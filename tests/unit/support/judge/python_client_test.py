"""The stand-in judged by a client that is not ours: the Python client, version as in tools/requirements.txt."""
import pathlib
import sys
import unittest

from kube_standin import Standin

ROOT = pathlib.Path(__file__).resolve().parents[4]
sys.path += [str(path) for path in ROOT.glob("build/venv/lib/python3*/site-packages")]  # made by tools/setup

try:
    import kubernetes
except ImportError as missing:
    raise ImportError(f"{missing}: tools/setup installs the wheels of tools/requirements.txt") from missing
from kubernetes.client.exceptions import ApiException  # noqa: E402
from kubernetes.dynamic import DynamicClient  # noqa: E402


def config_map(name, **data):
    return kubernetes.client.V1ConfigMap(metadata=kubernetes.client.V1ObjectMeta(name=name), data=data)


class PythonClient(unittest.TestCase):
    def setUp(self):
        self.standin = Standin()
        self.addCleanup(self.standin.close)
        self.client = kubernetes.config.new_client_from_config(self.standin.kubeconfig)
        self.addCleanup(self.client.close)
        self.core = kubernetes.client.CoreV1Api(self.client)

    def refusal(self, status, call, *arguments, **options):
        with self.assertRaises(ApiException) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.status, status, caught.exception)
        return caught.exception

    def test_lists_in_pages_and_by_selectors(self):
        self.standin.steer("POST", "/standin/generate", {"nodes": 3, "namespaces": 2, "services": 5, "pods": 30})
        pods, token = [], None
        while token != "":
            page = self.core.list_pod_for_all_namespaces(limit=7, _continue=token)
            pods += page.items
            token = page.metadata._continue or ""
        self.assertEqual(len({pod.metadata.name for pod in pods}), 30)
        on_node = self.core.list_pod_for_all_namespaces(field_selector="spec.nodeName=node-1").items
        self.assertEqual([pod.metadata.name for pod in on_node],
                         [pod.metadata.name for pod in pods if pod.spec.node_name == "node-1"])
        of_app = self.core.list_pod_for_all_namespaces(label_selector="app in (svc-1, svc-2)").items
        self.assertEqual({pod.metadata.labels["app"] for pod in of_app}, {"svc-1", "svc-2"})
        slices = kubernetes.client.DiscoveryV1Api(self.client).list_endpoint_slice_for_all_namespaces().items
        self.assertEqual(sum(len(part.endpoints) for part in slices), 30)

    def test_watches_changes_in_order(self):
        version = self.core.list_namespaced_config_map("default").metadata.resource_version
        self.core.create_namespaced_config_map("default", config_map("a", x="1"))
        self.core.replace_namespaced_config_map("a", "default", config_map("a", x="2"))
        self.core.delete_namespaced_config_map("a", "default")
        watch, seen = kubernetes.watch.Watch(), []
        for event in watch.stream(self.core.list_namespaced_config_map, "default", resource_version=version,
                                  timeout_seconds=5):
            seen.append((event["type"], event["object"].data["x"]))
            if event["type"] == "DELETED":
                watch.stop()
        self.assertEqual(seen, [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")])

    def test_a_stale_update_conflicts(self):
        stale = self.core.create_namespaced_config_map("default", config_map("a", x="1"))
        fresh = self.core.read_namespaced_config_map("a", "default")
        fresh.data["x"] = "2"
        self.core.replace_namespaced_config_map("a", "default", fresh)
        stale.data["x"] = "3"
        self.refusal(409, self.core.replace_namespaced_config_map, "a", "default", stale)
        self.refusal(409, self.core.create_namespaced_config_map, "default", config_map("a"))

    def test_deletes(self):
        self.core.create_namespaced_config_map("default", config_map("a"))
        self.assertEqual(self.core.delete_namespaced_config_map("a", "default").status, "Success")
        self.refusal(404, self.core.read_namespaced_config_map, "a", "default")

    def test_applies_on_the_server(self):
        states = DynamicClient(self.client).resources.get(api_version="keelson.dev/v1alpha1", kind="NodeState")
        body = {"apiVersion": "keelson.dev/v1alpha1", "kind": "NodeState", "metadata": {"name": "n1"}, "pods": []}
        made = states.server_side_apply(body=body, name="n1", field_manager="agent")
        again = states.server_side_apply(body=body, name="n1", field_manager="agent")
        self.assertEqual(made.metadata.resourceVersion, again.metadata.resourceVersion)
        body["pods"] = [{"uid": "u", "namespace": "shop", "name": "web", "serviceAccount": "web", "state": "ready"}]
        with self.assertRaises(Exception) as caught:
            states.server_side_apply(body=body, name="n1", field_manager="other")
        self.assertEqual(caught.exception.status, 409)
        changed = states.server_side_apply(body=body, name="n1", field_manager="other", force_conflicts=True)
        self.assertEqual(changed.pods[0].name, "web")

    def test_old_versions_are_gone(self):
        self.standin.steer("PUT", "/standin/settings", {"history": 3})
        first = self.core.create_namespaced_config_map("default", config_map("a0"))
        page = self.core.list_namespaced_config_map("default", limit=1)
        for number in range(1, 6):
            self.core.create_namespaced_config_map("default", config_map(f"a{number}"))
        page = self.core.list_namespaced_config_map("default", limit=1)
        self.standin.steer("POST", "/standin/expire/configmaps")
        self.refusal(410, self.core.list_namespaced_config_map, "default", limit=1, _continue=page.metadata._continue)
        stream = kubernetes.watch.Watch().stream(self.core.list_namespaced_config_map, "default",
                                                 resource_version=first.metadata.resource_version, timeout_seconds=5)
        self.refusal(410, lambda: list(stream))

    def test_tokens_are_issued_and_reviewed(self):
        self.standin.steer("POST", "/standin/generate", {"nodes": 1, "namespaces": 1, "services": 1, "pods": 1})
        request = kubernetes.client.AuthenticationV1TokenRequest(spec=kubernetes.client.V1TokenRequestSpec(
            audiences=["keelson-ca"],
            bound_object_ref=kubernetes.client.V1BoundObjectReference(kind="Pod", name="svc-0-0")))
        token = self.core.create_namespaced_service_account_token("svc-0", "ns-0", request).status.token
        reviews = kubernetes.client.AuthenticationV1Api(self.client)

        def review(audience):
            return reviews.create_token_review(kubernetes.client.V1TokenReview(
                spec=kubernetes.client.V1TokenReviewSpec(token=token, audiences=[audience]))).status

        good = review("keelson-ca")
        self.assertTrue(good.authenticated)
        self.assertEqual(good.user.username, "system:serviceaccount:ns-0:svc-0")
        self.assertEqual(good.user.extra["authentication.kubernetes.io/node-name"], ["node-0"])
        self.assertFalse(review("another").authenticated)
