"""Prometheus: a real one in a node's network namespace for as long as a block lasts; scrapes every agent."""
import contextlib
import json
import re
import subprocess
import tempfile
import urllib.parse

from harness.command import run

PORT, METRICS_PORT = 9095, 15020
SCRAPE_SECONDS = 2
# What Grafana would put in; four scrapes make a rate.
VARIABLES = {"$__rate_interval": f"{4 * SCRAPE_SECONDS}s", "$__range": "60s", "$instance": ".*"}


def queries(dashboard):
    """[(title of the panel, query)] of a Grafana dashboard, ready for Prometheus."""
    found = []
    waiting = list(dashboard["panels"])
    while waiting:
        panel = waiting.pop(0)
        waiting += panel.get("panels", [])
        found += [(panel["title"], filled(target["expr"])) for target in panel.get("targets", [])]
    return found


def filled(query):
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    if left := re.findall(r"\$\w+", query):
        raise ValueError(f"no value for {left} in {query}")
    return query


def configuration(layout):
    targets = [f"{node.ip}:{METRICS_PORT}" for node in layout.nodes]
    return json.dumps({"global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
                       "scrape_configs": [{"job_name": "keelson", "static_configs": [{"targets": targets}]}]})


class Prometheus:
    def __init__(self, layout):
        self._inside = ["ip", "netns", "exec", layout.control_plane.netns]
        self._url = f"http://{layout.control_plane.ip}:{PORT}"
        self._layout, self._process = layout, None

    @contextlib.contextmanager
    def running(self):
        with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "wb") as log:
            with open(f"{folder}/prometheus.yml", "w", encoding="ascii") as file:
                file.write(configuration(self._layout))
            command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                       f"--web.listen-address={self._layout.control_plane.ip}:{PORT}"]
            with subprocess.Popen([*self._inside, *command], stdout=log, stderr=log) as process:
                self._process = process
                try:
                    yield self
                finally:
                    process.terminate()

    def ask(self, query):
        """The result vector: [{"metric": {...}, "value": [time, text]}]."""
        if (code := self._process.poll()) is not None:
            raise ChildProcessError(f"prometheus ended with status {code}: is it installed? make e2e")
        url = f"{self._url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        answer = json.loads(run(*self._inside, "curl", "-sS", "-m", "5", url))
        if answer["status"] != "success":
            return []
        result = answer["data"]["result"]
        return result if answer["data"]["resultType"] == "vector" else [{"value": result}]
