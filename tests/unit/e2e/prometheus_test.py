"""The queries that are asked are those of the chart's dashboards, with what Grafana would put in."""
import json
import unittest

from harness import prometheus
from harness.mesh import CHART


class QueriesTest(unittest.TestCase):
    def test_panels_in_rows_are_found_and_filled(self):
        dashboard = {"panels": [{"title": "row", "panels": [
            {"title": "rate", "targets": [{"expr": 'rate(x{instance=~"$instance"}[$__rate_interval])'}]}]}]}
        self.assertEqual([("rate", 'rate(x{instance=~".*"}[8s])')], prometheus.queries(dashboard))

    def test_a_variable_that_nobody_fills_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "node"):
            prometheus.filled('x{node="$node"}')

    def test_the_charts_dashboards_can_be_asked(self):
        for path in (CHART / "dashboards").glob("*.json"):
            self.assertTrue(prometheus.queries(json.loads(path.read_text())), path)


if __name__ == "__main__":
    unittest.main()
