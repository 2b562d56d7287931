import http.client
import http.server
import threading
import time
import unittest

import load


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    dialled = 0

    def setup(self):
        super().setup()
        type(self).dialled += 1

    def do_GET(self):
        self.server.gate.wait()
        body = b'{"pod": "pay-v1"}' if self.path == "/pod" else b"nothing"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Callers(unittest.TestCase):
    def setUp(self):
        self.handler = type("Counted", (Server,), {})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.server.gate = threading.Event()
        self.server.gate.set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def caller(self, path="/pod", max_age=60.0):
        return load.Caller(f"http://127.0.0.1:{self.server.server_port}{path}", 0.01, 0.0, max_age)

    def test_an_answer_names_the_pod_and_the_connection_is_kept(self):
        caller = self.caller()
        self.addCleanup(caller.hang_up)
        self.assertEqual([("200", "pay-v1")] * 3, [caller.call() for _ in range(3)])
        self.assertEqual(1, self.handler.dialled)

    def test_a_connection_at_its_age_is_dialled_anew(self):
        caller = self.caller(max_age=0)
        self.addCleanup(caller.hang_up)
        for _ in range(3):
            caller.call()
        self.assertEqual(3, self.handler.dialled)

    def test_an_answer_of_somebody_else_names_no_pod(self):
        caller = self.caller("/other")
        self.addCleanup(caller.hang_up)
        self.assertEqual(("200", ""), caller.call())

    def test_a_port_without_a_listener_refuses(self):
        caller = load.Caller("http://127.0.0.1:1/", 0.01, 0.0, 1.0)
        self.assertEqual(("refused", ""), caller.call())

    def test_latency_counts_from_the_schedule(self):
        """Requests that were due while one hung are late by the time it hung."""
        caller = self.caller()
        self.addCleanup(caller.hang_up)
        caller.has_started = True
        self.server.gate.clear()
        began = caller.due = time.monotonic()
        asking = threading.Thread(target=lambda: [caller.ask_when_due() for _ in range(20)])
        asking.start()
        while caller.waiting(time.monotonic()) < 30:  # of 100 a second: they became due meanwhile
            self.assertLess(time.monotonic() - began, 10)
        hung = time.monotonic() - began
        self.server.gate.set()
        asking.join()
        for number, (_, latency, _, _) in enumerate(caller.done):
            self.assertGreaterEqual(latency, hung - number * caller.period)

    def test_the_schedule_begins_with_the_first_answer(self):
        caller = self.caller()
        self.addCleanup(caller.hang_up)
        caller.due = time.monotonic() - 60  # nobody was there
        caller.ask_when_due()
        self.assertGreater(caller.due, time.monotonic() - 5)


class Outcomes(unittest.TestCase):
    def test_each_failure_has_one_word(self):
        for error, word in ((ConnectionRefusedError(), "refused"), (PermissionError(), "denied"),
                            (ConnectionResetError(), "reset"), (BrokenPipeError(), "reset"),
                            (http.client.RemoteDisconnected(), "reset"), (TimeoutError(), "timeout"),
                            (http.client.BadStatusLine("x"), "BadStatusLine")):
            self.assertEqual(word, load.outcome_of(error))
