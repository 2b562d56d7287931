"""handshake: one line for us and one for OpenSSL, a sample a round."""
import unittest

from ladder import scenario_handshake as scenario


class Handshake(unittest.TestCase):
    def test_both_have_a_line_in_the_same_group(self):
        ours, stock = scenario.to_lines({"keelson_us": [8.0, 9.0], "openssl_us": [10.0, 11.0]})
        self.assertEqual((ours["id"], ours["samples"]), ("handshake/keelson/cpu", [8.0, 9.0]))
        self.assertEqual((stock["id"], stock["samples"]), ("handshake/openssl/cpu", [10.0, 11.0]))
        self.assertEqual(ours["group"], stock["group"])
