"""Certificates: an authority and one leaf per side of a pair, made by the openssl command.

Owns the files of one folder. Blocking; any thread. Keelson's own certificates are not made here.
"""
import pathlib
import subprocess
from dataclasses import dataclass

DAYS = 30
# Independent of the machine's openssl.cnf, which would add extensions.
SETTINGS = "[req]\ndistinguished_name = name\n[name]\n"


class CertificateFailed(Exception):
    """openssl did not make one; the text is its complaint."""


@dataclass(frozen=True)
class Leaf:
    """A certificate for one service account of namespace shop, and its key: PEM files."""
    account: str
    certificate: pathlib.Path
    key: pathlib.Path
    certificate_and_key: pathlib.Path

    @property
    def uri(self):
        return uri_of(self.account)

    @property
    def dns(self):
        return dns_of(self.account)


@dataclass(frozen=True)
class Certificates:
    authority: pathlib.Path
    client: Leaf
    server: Leaf


def uri_of(account):
    return f"spiffe://bench/ns/shop/sa/{account}"


def dns_of(account):
    return f"{account}.shop.bench"


def uri_der_hex(uri):
    """A URI as it stands in a certificate's subjectAltName: tag 6 of GeneralName, length, text (RFC 5280 4.2.1.6)."""
    text = uri.encode()
    assert len(text) < 128, uri
    return (bytes([0x86, len(text)]) + text).hex().upper()


def make(folder, client="client", server="server"):
    """Certificates in `folder`, those that lie there already if they do."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority = folder / "authority.crt"
    if not authority.exists():
        (folder / "openssl.cnf").write_text(SETTINGS)
        sign(folder, "authority", "/CN=bench authority",
                    ["basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign"])
    return Certificates(authority, leaf(folder, client), leaf(folder, server))


def leaf(folder, account):
    made = Leaf(account, *(folder / f"{account}.{ending}" for ending in ("crt", "key", "pem")))
    if not made.certificate_and_key.exists():
        sign(folder, account, f"/CN={account}",
                    ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
                     "extendedKeyUsage=serverAuth,clientAuth", f"subjectAltName=URI:{made.uri},DNS:{made.dns}"],
                    ["-CA", "authority.crt", "-CAkey", "authority.key"])
        made.certificate_and_key.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    return made


def sign(folder, name, subject, extensions, signer=()):
    """NAME.crt and NAME.key, ECDSA P-256; signed by itself where no signer is given."""
    command = ["openssl", "req", "-x509", "-config", "openssl.cnf", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-noenc", "-sha256", "-days", str(DAYS), "-subj", subject, "-keyout",
               f"{name}.key", "-out", f"{name}.crt", *signer]
    for extension in extensions:
        command += ["-addext", extension]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise CertificateFailed(f"{' '.join(command)}: {done.stderr.strip()}")
