"""A small HTTP/1.1 service of the demo shop: answers with its name, version and the caller it saw.

SHOP_VERSION        shown in the answer
SHOP_FAILS_ONE_IN   N: every Nth request is answered 500, the planted fault
"""
import itertools
import json
import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ.get("KEELSON_POD", "shop")
VERSION = os.environ.get("SHOP_VERSION", "")
FAILS_ONE_IN = int(os.environ.get("SHOP_FAILS_ONE_IN", "0"))
REQUESTS = itertools.count(1)


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        status = 200
        if FAILS_ONE_IN and next(REQUESTS) % FAILS_ONE_IN == 0:
            status = 500
        body = {"card": "4111-1111-1111-1111", "pod": NAME, "version": VERSION, "caller": self.client_address[0]}
        text = (json.dumps(body) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        pass


class DualStackServer(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


if __name__ == "__main__":
    DualStackServer(("::", 8080), Shop).serve_forever()
