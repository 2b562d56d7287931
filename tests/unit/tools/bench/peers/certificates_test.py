import pathlib
import subprocess
import tempfile
import unittest

from ladder import certificates


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)


class Made(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.made = certificates.make(cls.folder)

    def text(self, path):
        return openssl("x509", "-in", path, "-noout", "-text").stdout

    def test_names_each_side(self):
        for leaf, account in ((self.made.client, "client"), (self.made.server, "server")):
            with self.subTest(account):
                self.assertIn(f"URI:spiffe://bench/ns/shop/sa/{account}, DNS:{account}.shop.bench\n",
                              self.text(leaf.certificate))
                self.assertEqual(f"spiffe://bench/ns/shop/sa/{account}", leaf.uri)

    def test_uses_p256_everywhere(self):
        for path in (self.made.authority, self.made.client.certificate, self.made.server.certificate):
            with self.subTest(path):
                self.assertIn("NIST CURVE: P-256", self.text(path))

    def test_only_the_authority_may_sign(self):
        self.assertIn("CA:TRUE", self.text(self.made.authority))
        self.assertIn("CA:FALSE", self.text(self.made.client.certificate))
        self.assertNotIn("CA:TRUE", self.text(self.made.client.certificate))

    def test_verifies_for_both_roles(self):
        for leaf in (self.made.client, self.made.server):
            for purpose in ("sslclient", "sslserver"):
                with self.subTest(leaf.account, purpose=purpose):
                    done = openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", self.made.authority,
                                   leaf.certificate)
                    self.assertEqual(0, done.returncode, done.stderr)

    def test_is_made_once(self):
        before = self.made.client.certificate.read_bytes()
        again = certificates.make(self.folder)
        self.assertEqual((self.made, before), (again, again.client.certificate.read_bytes()))

    def test_uri_name_stands_in_the_certificate_as_the_rule_of_haproxy_looks_for_it(self):
        der = subprocess.run(["openssl", "x509", "-in", self.made.client.certificate, "-outform", "DER"],
                             capture_output=True).stdout.hex().upper()
        self.assertIn(certificates.uri_der_hex(self.made.client.uri), der)
        self.assertNotIn(certificates.uri_der_hex(self.made.server.uri), der)
        # Neither a shorter nor a longer name of another account fits.
        self.assertNotIn(certificates.uri_der_hex(self.made.client.uri[:-1]), der)

    def test_key_and_certificate_lie_in_one_file_too(self):
        text = self.made.server.certificate_and_key.read_text()
        self.assertEqual(self.made.server.certificate.read_text() + self.made.server.key.read_text(), text)


class NotMade(unittest.TestCase):
    def test_says_what_openssl_said(self):
        with tempfile.TemporaryDirectory() as folder, \
                self.assertRaisesRegex(certificates.CertificateFailed, "openssl req"):
            certificates.leaf(pathlib.Path(folder), "client")  # no authority there
