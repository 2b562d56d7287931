"""not_ready: the words a run ends with when pods do not become ready."""
import unittest

from harness import not_ready


def pod(name, ready, **more):
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}], **more.pop("status", {})}
    return {"metadata": {"name": name, **more}, "spec": {"nodeName": "n1"}, "status": status}


def event(second, kind, message):
    return {"metadata": {}, "type": kind, "reason": "FailedMount", "message": message,
            "lastTimestamp": f"2026-01-01T00:00:0{second}Z", "involvedObject": {"name": "l7"}}


class NotReady(unittest.TestCase):
    def test_only_pods_that_are_not_ready_or_leave_are_named(self):
        pods = [pod("a", "True"), pod("b", "False"), pod("c", "True", deletionTimestamp="now")]
        self.assertEqual(not_ready.described(pods, []), "b on n1 is Running; c on n1 is Running, leaving")

    def test_nothing_to_say_is_said(self):
        self.assertEqual(not_ready.described([pod("a", "True")], []), "every pod is ready")

    def test_a_container_says_what_it_waits_for_and_how_it_ended(self):
        container = {"name": "l7", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off\n10s"}},
                     "lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}
        said = not_ready.described([pod("b", "False", status={"containerStatuses": [container]})], [])
        self.assertEqual(said, "b on n1 is Running, l7 waiting CrashLoopBackOff back-off 10s, l7 terminated Error 1")

    def test_a_pod_that_no_node_has_says_why(self):
        unscheduled = {"metadata": {"name": "b"}, "spec": {}, "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]}}
        self.assertEqual(not_ready.described([unscheduled], []),
                         "b on no node is Pending, PodScheduled: 0/2 nodes are available")

    def test_the_last_warnings_are_told_in_their_order(self):
        events = [event(2, "Warning", "second"), event(1, "Warning", "first"), event(3, "Normal", "pulled")]
        self.assertEqual(not_ready.described([], events),
                         "every pod is ready; l7 FailedMount: first; l7 FailedMount: second")
        many = [event(second, "Warning", "x" * 999) for second in range(9)]
        self.assertEqual(not_ready.described([], many).count("FailedMount"), not_ready.EVENTS_MAX)


if __name__ == "__main__":
    unittest.main()
