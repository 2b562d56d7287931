"""Prometheus: a real one in a node's network namespace for as long as a block lasts; scrapes every agent and the CA."""
import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import urllib.parse

from harness.command import run

PORT, METRICS_PORT, CA_PORT = 9095, 15020, 15012
CA_NAME = "keelson-ca.keelson-system.svc"
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


def configuration(layout, ca_address, ca_file):
    agents = {"job_name": "keelson", "static_configs": [{"targets": [f"{n.ip}:{METRICS_PORT}" for n in layout.nodes]}]}
    authority = {"job_name": "keelson-ca", "static_configs": [{"targets": [f"{ca_address}:{CA_PORT}"]}],
                 "scheme": "https", "tls_config": {"ca_file": ca_file, "server_name": CA_NAME}}
    return json.dumps({"global": {"scrape_interval": f"{SCRAPE_SECONDS}s"}, "scrape_configs": [agents, authority]})


def answered(url, inside=()):
    """The JSON of a URL, asked by way of the command `inside`; Trouble when the answer is a refusal (503: starting)."""
    return json.loads(run(*inside, "curl", "-sS", "-m", "5", "--fail", url))


class Prometheus:
    def __init__(self, layout, ca_address, roots):
        self._inside = ["ip", "netns", "exec", layout.control_plane.netns]
        self._url = f"http://{layout.control_plane.ip}:{PORT}"
        self._layout, self._process = layout, None
        self._ca_address, self._roots = ca_address, roots

    @contextlib.contextmanager
    def running(self):
        with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "wb") as log:
            pathlib.Path(folder, "ca.crt").write_text(self._roots)
            pathlib.Path(folder, "prometheus.yml").write_text(
                configuration(self._layout, self._ca_address, f"{folder}/ca.crt"))
            command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                       f"--web.listen-address={self._layout.control_plane.ip}:{PORT}"]
            with subprocess.Popen([*self._inside, *command], stdout=log, stderr=log) as process:
                self._process = process
                try:
                    yield self
                finally:
                    process.terminate()

    def ask(self, query):
        """The result vector: [{"metric": {...}, "value": [time, text]}]; Trouble when it refuses or is starting."""
        if (code := self._process.poll()) is not None:
            raise ChildProcessError(f"prometheus ended with status {code}: is it installed? make e2e")
        url = f"{self._url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        data = answered(url, self._inside)["data"]
        return data["result"] if data["resultType"] == "vector" else [{"value": data["result"]}]
