"""Keys of a cluster: one certificate authority, the API server's certificates, and tokens for everybody else.

The API server knows its users by a token file, so that no client certificate has to be made for each of them.
"""
import json
import secrets

from harness.command import run
from harness.layout import API_PORT, API_SERVICE_IP

DAYS = "3650"
API_NAMES = ["DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc",
             "DNS:kubernetes.default.svc.cluster.local", "DNS:localhost", "IP:127.0.0.1", f"IP:{API_SERVICE_IP}"]


def users(layout):
    """[(file, user, groups)]: who may call the API server."""
    return [("admin", "admin", "system:masters"),
            ("controller-manager", "system:kube-controller-manager", ""),
            ("scheduler", "system:kube-scheduler", ""),
            ("proxy", "system:kube-proxy", ""),
            *((node.name, f"system:node:{node.name}", "system:nodes") for node in layout.nodes)]


def kubeconfig(layout, token):
    cluster = {"server": f"https://{layout.control_plane.ip}:{API_PORT}",
               "certificate-authority": f"{layout.pki}/ca.crt"}
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "e2e",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": "e2e", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}]})


def make(layout):
    layout.pki.mkdir(parents=True)
    layout.kubeconfig("").mkdir(parents=True)
    make_authority(layout.pki)
    make_certificate(layout.pki, "apiserver", "/CN=kube-apiserver", "serverAuth",
                     [*API_NAMES, f"IP:{layout.control_plane.ip}"])
    make_certificate(layout.pki, "kubelet-client", "/O=system:masters/CN=apiserver-kubelet-client", "clientAuth")
    make_certificate(layout.pki, "front-proxy", "/CN=front-proxy", "clientAuth")
    run("openssl", "genrsa", "-out", layout.pki / "sa.key", "2048")
    run("openssl", "rsa", "-in", layout.pki / "sa.key", "-pubout", "-out", layout.pki / "sa.pub")
    lines = []
    for file, user, groups in users(layout):
        token = secrets.token_hex(16)
        lines.append(f'{token},{user},{user},"{groups}"')
        layout.kubeconfig(file).write_text(kubeconfig(layout, token))
    (layout.pki / "tokens.csv").write_text("\n".join(lines) + "\n")


def make_key(pki, name):
    run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", pki / f"{name}.key")


def make_authority(pki):
    make_key(pki, "ca")
    run("openssl", "req", "-x509", "-new", "-key", pki / "ca.key", "-subj", "/CN=keelson-e2e", "-days", DAYS,
        "-out", pki / "ca.crt")


def make_certificate(pki, name, subject, usage, alternative_names=()):
    make_key(pki, name)
    extensions = [f"extendedKeyUsage={usage}"]
    if alternative_names:
        extensions.append("subjectAltName=" + ",".join(alternative_names))
    (pki / f"{name}.ext").write_text("\n".join(extensions) + "\n")
    run("openssl", "req", "-new", "-key", pki / f"{name}.key", "-subj", subject, "-out", pki / f"{name}.csr")
    run("openssl", "x509", "-req", "-in", pki / f"{name}.csr", "-CA", pki / "ca.crt", "-CAkey", pki / "ca.key",
        "-CAcreateserial", "-days", DAYS, "-out", pki / f"{name}.crt", "-extfile", pki / f"{name}.ext")
