"""Standin: one kube-standin process for tests in Python. It ends when its standard input is closed, so also by
a crash.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import urllib.request


def built_program():
    return pathlib.Path(os.environ["KEELSON_BIN"]) / "kube-standin"


class Standin:
    def __init__(self, *arguments, program=None):
        program = program or built_program()
        self._folder = tempfile.TemporaryDirectory(prefix="keelson-standin-")
        self._process = subprocess.Popen([program, "serve", "--dir", self._folder.name, "--end-with-stdin", *arguments],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line.startswith("ready "):
            self.close()
            raise RuntimeError(f"{program} did not start: {line}")
        self.ready = json.loads(line[len("ready "):])
        self.kubeconfig = self._folder.name + "/kubeconfig"

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()
        self._folder.cleanup()

    def steer(self, method, path, body=None):
        request = urllib.request.Request(self.ready["control"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)
