"""idle-pairs: 900 different pairs, and the worse side as the figure that counts."""
import json
import unittest

from ladder import scenario_pairs as scenario


class Pairs(unittest.TestCase):
    def test_every_pod_has_an_identity_of_its_own(self):
        found = [json.loads(each) for each in scenario.manifest("/bin/x").split("---\n") if each]
        pods = [each for each in found if each["kind"] == "Pod"]
        accounts = {each["spec"]["serviceAccountName"] for each in pods}
        self.assertEqual((len(pods), len(accounts)), (60, 60))
        self.assertEqual(sum(each["spec"]["nodeName"] == scenario.NEAR for each in pods), 30)

    def test_the_worse_side_of_each_round_is_the_figure(self):
        whole, client, server = scenario.to_lines([{"client": 5.0, "server": 4.0}, {"client": 5.0, "server": 6.0}])
        self.assertEqual((whole["id"], whole["samples"]), ("idle/pairs900/mib", [5.0, 6.0]))
        self.assertEqual((client["samples"], server["samples"]), ([5.0, 5.0], [4.0, 6.0]))
