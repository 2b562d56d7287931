"""Load client: asks each URL at a fixed rate over keep-alive connections and tells what came of each request.

load.py [--rate PER_SECOND] [--connections N] [--max-age SECONDS] URL...

The schedule is fixed: a request that is due while its connection hangs is sent late, and its latency counts
from when it was due. A connection is closed at max-age and dialled anew (0: for every request). No request
is repeated. Whoever connects to ./load.sock gets a JSON line a quarter second for each URL:
{"from", "to", "waiting": due but unanswered, "done": [[finished, latency, outcome, pod that answered]]},
times in seconds of CLOCK_MONOTONIC.
"""
import argparse
import collections
import http.client
import json
import os
import socket
import threading
import time
import urllib.parse

TIMEOUT = 10
REPORT_PERIOD = 0.25
LATE = 0.25  # after this a request counts as waiting
DONE_MAX = 1000  # of one connection and report


def outcome_of(error):
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, PermissionError):
        return "denied"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    if isinstance(error, TimeoutError):
        return "timeout"
    return type(error).__name__


class Caller(threading.Thread):
    """One connection and its share of the schedule."""

    def __init__(self, url, period, delay, max_age):
        super().__init__(daemon=True)
        self.url, self.period, self.max_age = urllib.parse.urlsplit(url), period, max_age
        self.due = time.monotonic() + delay
        self.connection, self.dialled, self.has_started = None, 0.0, False
        self.done = collections.deque(maxlen=DONE_MAX)

    def run(self):
        while True:
            self.ask_when_due()

    def ask_when_due(self):
        time.sleep(max(0.0, self.due - time.monotonic()))
        outcome, pod = self.call()
        finished = time.monotonic()
        self.done.append([round(finished, 6), round(finished - self.due, 6), outcome, pod])
        self.due += self.period
        if not self.has_started:  # the schedule begins once somebody answers
            self.due = max(self.due, finished)
            self.has_started = pod != ""

    def call(self):
        if self.connection and time.monotonic() - self.dialled >= self.max_age:
            self.hang_up()
        try:
            if not self.connection:
                self.dialled = time.monotonic()
                self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port or 80, timeout=TIMEOUT)
            self.connection.request("GET", self.url.path or "/")
            answer = self.connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.hang_up()
            return outcome_of(error), ""
        try:
            return str(answer.status), json.loads(body)["pod"]
        except (ValueError, KeyError, TypeError):
            return str(answer.status), ""  # an answer of the mesh itself

    def hang_up(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def waiting(self, now):
        late = now - self.due
        return int(late / self.period) + 1 if late > LATE else 0


class Reports:
    """Sends what the callers did to whoever listens."""

    def __init__(self, callers):
        self.callers, self.listeners = callers, []
        if os.path.exists("load.sock"):
            os.unlink("load.sock")
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind("load.sock")
        self.door.listen()

    def serve(self):
        threading.Thread(target=self.admit, daemon=True).start()
        while True:
            time.sleep(REPORT_PERIOD)
            for host, callers in self.callers.items():
                self.send(self.report(host, callers))

    def admit(self):
        while True:
            listener, _ = self.door.accept()
            listener.settimeout(REPORT_PERIOD)
            self.listeners.append(listener)

    def report(self, host, callers):
        now, done = time.monotonic(), []
        for caller in callers:
            while caller.done:
                done.append(caller.done.popleft())
        return {"from": os.environ.get("KEELSON_POD", "load"), "to": host.split(".")[0],
                "waiting": sum(caller.waiting(now) for caller in callers), "done": sorted(done)}

    def send(self, report):
        line = (json.dumps(report) + "\n").encode()
        for listener in list(self.listeners):
            try:
                listener.sendall(line)
            except OSError:
                self.listeners.remove(listener)
                listener.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--max-age", type=float, default=1)
    parser.add_argument("urls", nargs="+")
    options = parser.parse_args()
    callers = {}
    for url in options.urls:
        callers[urllib.parse.urlsplit(url).hostname] = [
            Caller(url, options.connections / options.rate, number / options.rate, options.max_age)
            for number in range(options.connections)]
    for caller in sum(callers.values(), []):
        caller.start()
    Reports(callers).serve()


if __name__ == "__main__":
    main()
