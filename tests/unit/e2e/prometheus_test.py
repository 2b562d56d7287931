"""The queries that are asked are those of the chart's dashboards, with what Grafana would put in."""
import http.server
import json
import threading
import unittest

from harness import prometheus
from harness.mesh import CHART
from harness.trouble import Trouble


class Starting(http.server.BaseHTTPRequestHandler):
    """What Prometheus says before it has read its storage: 503, in words that are no JSON."""

    def do_GET(self):
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"Service Unavailable")

    def log_message(self, *_):
        pass


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


class AnswerTest(unittest.TestCase):
    def test_one_that_is_starting_is_trouble_and_is_asked_again(self):
        with http.server.HTTPServer(("127.0.0.1", 0), Starting) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                with self.assertRaisesRegex(Trouble, "503"):
                    prometheus.answered(f"http://127.0.0.1:{server.server_port}/")
            finally:
                server.shutdown()
                thread.join()


if __name__ == "__main__":
    unittest.main()
