"""keelson-probe over loopback: what it counts, and the order of what it sees."""
import json
import os
import pathlib
import subprocess
import unittest

PROBE = pathlib.Path(os.environ["KEELSON_BIN"]) / "keelson-probe"


class Probe(unittest.TestCase):
    def start(self, *arguments):
        process = subprocess.Popen([PROBE, *arguments], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def listen(self, address="127.0.0.1:0"):
        listener = self.start("listen", "--at", address)
        return listener, json.loads(listener.stdout.readline())["listening"]

    def connect(self, to, count):
        done = subprocess.run([PROBE, "connect", "--to", to, "--count", str(count)], stdout=subprocess.PIPE,
                              text=True, check=True)
        return json.loads(done.stdout)

    def test_every_connection_of_the_loop_is_counted_and_timed(self):
        _, address = self.listen()
        cost = self.connect(address, 500)
        self.assertEqual((cost["count"], cost["failed"], cost["errno"]), (500, 0, 0))
        self.assertGreater(cost["cpu_us"], 0)
        connect = cost["connect_us"]
        self.assertTrue(0 < connect["p50"] <= connect["p99"] <= connect["max"])

    def test_ipv6_addresses_come_in_brackets(self):
        _, address = self.listen("[::1]:0")
        self.assertTrue(address.startswith("[::1]:"))
        self.assertEqual(self.connect(address, 1)["failed"], 0)

    def test_connections_that_fail_are_counted_with_the_first_error(self):
        listener, address = self.listen()
        listener.terminate()
        listener.wait()
        cost = self.connect(address, 3)
        self.assertEqual((cost["failed"], os.strerror(cost["errno"])), (3, "Connection refused"))
        self.assertEqual(cost["connect_us"]["max"], 0)

    def test_watch_sees_new_connections_refused_and_held_ones_cut(self):
        listener, address = self.listen()
        watch = self.start("watch", "--to", address, "--held", "3")
        opened = json.loads(watch.stdout.readline())
        self.assertEqual(opened["event"], "opened")
        listener.kill()
        seen = {}
        for _ in range(2):
            event = json.loads(watch.stdout.readline())
            seen[event["event"]] = event["at_ns"]
        self.assertEqual(set(seen), {"refused", "cut"})
        self.assertTrue(all(at > opened["at_ns"] for at in seen.values()))

    def test_watch_opens_again_when_it_is_let_in_again(self):
        listener, address = self.listen()
        watch = self.start("watch", "--to", address)
        self.assertEqual(json.loads(watch.stdout.readline())["event"], "opened")
        listener.terminate()
        self.assertEqual(json.loads(watch.stdout.readline())["event"], "refused")
        self.listen(address)
        self.assertEqual(json.loads(watch.stdout.readline())["event"], "opened")

    def test_what_is_no_address_is_bad_usage(self):
        for words in (["connect", "--to", "nowhere"], ["connect", "--to", "127.0.0.1:x"], ["sing"]):
            done = subprocess.run([PROBE, *words], capture_output=True, check=False)
            self.assertEqual(done.returncode, 2, words)
