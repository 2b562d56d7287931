import unittest

from live.book import FRESH, Book, Call, percentile, stats_of
from live.lab import Pod

PODS = {"web": Pod("shop", "node1", ("10.244.1.10",)), "cart": Pod("shop", "node1", ("10.244.1.11",)),
        "pay-v1": Pod("shop", "node2", ("10.244.2.10",)), "pay-v2": Pod("shop", "node2", ("10.244.2.11",)),
        "mallory": Pod("outlaw", "node2", ("10.244.2.12",))}
PAIRS = (("web", "cart"), ("cart", "pay"), ("mallory", "pay"))
NOW = 1000.0


def answers(count, pod, outcome="200", latency=0.002, now=NOW):
    return [Call(now - 1 + number / count, latency, outcome, pod) for number in range(count)]


def frames(pairs, readable=0):
    return {"frames": 1, "readable": readable, "latest": [], "pairs": pairs}


class BookTest(unittest.TestCase):
    def setUp(self):
        self.book = Book(PODS, PAIRS)
        for node in ("node1", "node2"):
            self.book.observing(node, NOW - 60)

    def row(self, source, to, now=NOW):
        return {(row.source, row.to): row for row in self.book.rows(now)}[source, to]

    def access(self, pod, **more):
        return {"path": "outbound", "source": "shop/cart", "destination": f"shop/{pod}", "bytes_received": 9, **more}


class Paths(BookTest):
    def test_answers_without_a_flow_event_are_plain_on_one_node(self):
        self.book.add_calls(("web", "cart"), 0, answers(40, "cart"))
        self.assertEqual(("plain", "-"), (self.row("web", "cart").path, self.row("web", "cart").tls))

    def test_between_nodes_plain_needs_readable_frames(self):
        self.book.add_calls(("cart", "pay"), 0, answers(40, "pay-v1"))
        self.assertEqual("-", self.row("cart", "pay-v1").path)
        self.book.add_frames(frames([["10.244.1.11", "10.244.2.10", 3, 0, ""]], 3), NOW - 1)
        self.assertEqual(("plain", "none"), (self.row("cart", "pay-v1").path, self.row("cart", "pay-v1").tls))

    def test_silence_says_nothing_while_nobody_listens(self):
        self.book.observing("node1", None)
        self.book.add_calls(("web", "cart"), 0, answers(40, "cart"))
        self.assertEqual("-", self.row("web", "cart").path)

    def test_silence_says_nothing_just_after_listening_began(self):
        self.book.observing("node1", NOW - FRESH / 2)
        self.book.add_calls(("web", "cart"), 0, answers(40, "cart"))
        self.assertEqual("-", self.row("web", "cart").path)

    def test_direct_is_an_event_of_the_kernel(self):
        self.book.add_calls(("web", "cart"), 0, answers(40, "cart"))
        self.book.add_flow({"from": "shop/web", "to": "shop/cart", "verdict": "allowed", "path": "direct"}, NOW - 1)
        self.assertEqual("direct", self.row("web", "cart").path)

    def test_a_captured_connection_alone_is_neither_plain_nor_mtls(self):
        self.book.add_calls(("cart", "pay"), 0, answers(40, "pay-v1"))
        self.book.add_flow({"from": "shop/cart", "to": "shop/pay-v1", "verdict": "allowed", "path": "capture"}, NOW - 1)
        self.assertEqual("-", self.row("cart", "pay-v1").path)

    def test_mtls_needs_the_proxys_word_and_tls_on_the_link(self):
        self.book.add_calls(("cart", "pay"), 0, answers(40, "pay-v1"))
        self.book.add_access(self.access("pay-v1"), NOW - 1)
        self.assertEqual("proxy", self.row("cart", "pay-v1").path)
        self.book.add_frames(frames([["10.244.1.11", "10.244.2.10", 0, 5, "1.3"]]), NOW - 1)
        self.assertEqual(("mtls", "1.3"), (self.row("cart", "pay-v1").path, self.row("cart", "pay-v1").tls))

    def test_l7_is_a_request_in_the_access_log_and_its_rule_is_shown_with_the_observed_share(self):
        self.book.add_calls(("cart", "pay"), 0, answers(90, "pay-v1") + answers(10, "pay-v2"))
        for pod in ("pay-v1", "pay-v2"):
            self.book.add_access(self.access(pod, method="GET", rule="shop/pay-canary#0"), NOW - 1)
        self.assertEqual("l7", self.row("cart", "pay-v2").path)
        self.assertEqual("pay-canary 10 %", self.row("cart", "pay-v2").note)

    def test_a_row_keeps_its_path_while_the_agent_is_gone(self):
        self.book.add_flow({"from": "shop/web", "to": "shop/cart", "verdict": "allowed", "path": "direct"}, NOW - 1)
        self.book.add_calls(("web", "cart"), 0, answers(40, "cart"))
        self.assertEqual("direct", self.row("web", "cart").path)
        self.book.observing("node1", None)
        later = NOW + 2 * FRESH
        self.book.add_calls(("web", "cart"), 0, answers(40, "cart", now=later))
        self.assertEqual("direct", self.row("web", "cart", later).path)


class Rows(BookTest):
    def test_each_pod_that_answers_has_its_own_row(self):
        self.book.add_calls(("cart", "pay"), 0, answers(90, "pay-v1") + answers(10, "pay-v2", "500"))
        self.assertEqual(100.0, self.row("cart", "pay-v1").stats.ok)
        self.assertEqual(0.0, self.row("cart", "pay-v2").stats.ok)
        self.assertEqual(45.0, self.row("cart", "pay-v1").stats.rps)  # over a window of two seconds

    def test_lost_requests_count_against_the_only_pod(self):
        self.book.add_calls(("web", "cart"), 0, answers(9, "cart") + answers(1, "", "reset"))
        self.assertEqual(90.0, self.row("web", "cart").stats.ok)

    def test_lost_requests_of_two_pods_are_a_row_of_the_service(self):
        self.book.add_calls(("cart", "pay"), 0,
                            answers(9, "pay-v1") + answers(9, "pay-v2") + answers(2, "", "reset"))
        self.assertEqual("no answer: reset", self.row("cart", "pay").note)

    def test_a_denied_caller_shows_the_policy(self):
        self.book.add_calls(("mallory", "pay"), 0, answers(20, "", "refused"))
        self.book.add_flow({"from": "outlaw/mallory", "to": "shop/pay-v1", "service": "shop/pay", "verdict": "denied",
                            "reason": "not_allowed", "policy": "shop/pay-callers (no ALLOW matches)"}, NOW - 1)
        row = self.row("mallory", "pay")
        self.assertEqual((True, "deny shop/pay-callers", "-"), (row.is_denied, row.note, row.path))

    def test_a_refusal_in_the_access_log_counts_like_one_of_the_kernel(self):
        record = {"path": "outbound", "source": "outlaw/mallory", "destination": "shop/pay-v1", "service": "shop/pay",
                  "method": "GET", "status": 0, "bytes_received": 0}
        self.book.add_access({**record, "reason": "http_routed", "policy": "shop/pay-callers"}, NOW - 2)
        self.assertIsNone(self.book.denial("mallory", "pay", NOW))  # it named the policy that let it pass
        self.book.add_access({**record, "reason": "not_allowed", "policy": "shop/pay-callers"}, NOW - 1)
        self.assertEqual(("not_allowed", "shop/pay-callers"), self.book.denial("mallory", "pay", NOW))

    def test_an_old_refusal_is_not_shown(self):
        self.book.add_flow({"from": "outlaw/mallory", "service": "shop/pay", "verdict": "denied"}, NOW - FRESH - 1)
        self.assertIsNone(self.book.denial("mallory", "pay", NOW))

    def test_waiting_requests_are_shown_while_nothing_is_answered(self):
        self.book.add_calls(("web", "cart"), 17, [])
        self.assertEqual((0, "17 waiting"), (self.row("web", "cart").stats.count, self.row("web", "cart").note))

    def test_share_counts_answers_only(self):
        self.book.add_calls(("cart", "pay"), 0,
                            answers(3, "pay-v1") + answers(1, "pay-v2") + answers(4, "", "reset"))
        self.assertEqual(25.0, self.book.share(("cart", "pay"), "pay-v2", NOW - 2))


class Figures(unittest.TestCase):
    def test_percentiles_are_nearest_rank(self):
        values = list(range(1, 101))
        self.assertEqual((50, 99, 100, 1), tuple(percentile(values, share) for share in (50, 99, 100, 0)))
        self.assertEqual((7, 7, 0.0), (percentile([7], 50), percentile([7], 99), percentile([], 99)))

    def test_latency_is_of_good_answers_only(self):
        stats = stats_of([Call(1, 0.001, "200", "a"), Call(1, 9.0, "reset", "")], 1)
        self.assertEqual((2, 1, 50.0, 0.001), (stats.count, stats.failed, stats.ok, stats.worst))
