"""Asks keelson-ca for certificates as an agent does, from the network namespace of a node.

As a program (python3 -m harness.ca_client): standard input is JSON {"address": [IP, port], "trust": PEM, "tries":
[{"token", "body"}]}; prints a JSON list of {"status": 200, "answer": {...}}, in the order of the tries, which go one
after the other over one connection.
"""
import http.client
import json
import socket
import ssl
import sys

from harness.command import run
from harness.versions import HERE

SERVER_NAME = "keelson-ca.keelson-system.svc"
SECONDS_MAX = 10


def ask(node, address, trust, tries, seconds_max):
    """[(status, answer)] of what was tried from a node of the cluster."""
    command = ["ip", "netns", "exec", node.netns, "env", f"PYTHONPATH={HERE}", sys.executable, "-m",
               "harness.ca_client"]
    given = json.dumps({"address": address, "trust": trust, "tries": list(tries)})
    said = json.loads(run(*command, stdin=given, seconds_max=seconds_max))
    return [(entry["status"], entry["answer"]) for entry in said]


class Connection(http.client.HTTPSConnection):
    """To an address, where somebody is expected who has the name."""

    def __init__(self, address, trust):
        self._context = ssl.create_default_context(cadata=trust)
        self._address = tuple(address)
        super().__init__(SERVER_NAME, self._address[1], context=self._context, timeout=SECONDS_MAX)

    def connect(self):
        plain = socket.create_connection(self._address, timeout=SECONDS_MAX)
        self.sock = self._context.wrap_socket(plain, server_hostname=SERVER_NAME)


def answer_to(connection, attempt):
    headers = {"Authorization": f"Bearer {attempt['token']}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/sign", body=json.dumps(attempt["body"]), headers=headers)
    response = connection.getresponse()
    return {"status": response.status, "answer": json.loads(response.read())}


def main():
    given = json.load(sys.stdin)
    connection = Connection(given["address"], given["trust"])
    print(json.dumps([answer_to(connection, attempt) for attempt in given["tries"]]))


if __name__ == "__main__":
    main()
