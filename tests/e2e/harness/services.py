"""The programs of a node: their command lines. Pure."""
from harness import audit
from harness.layout import API_PORT, SERVICE_CIDR

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
EVERY_NODE = ("containerd", "kubelet", "kube-proxy")


def etcd():
    return ["etcd", "--data-dir=/var/lib/etcd", "--unsafe-no-fsync", "--log-level=warn",
            "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380"]


def kube_apiserver(layout):
    pki = layout.pki
    return ["kube-apiserver", f"--advertise-address={layout.control_plane.ip}", f"--secure-port={API_PORT}",
            "--etcd-servers=http://127.0.0.1:2379", f"--service-cluster-ip-range={SERVICE_CIDR}", "--allow-privileged",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--profiling=false",
            f"--client-ca-file={pki}/ca.crt", f"--token-auth-file={pki}/tokens.csv",
            f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt", f"--kubelet-client-key={pki}/kubelet-client.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
            f"--requestheader-client-ca-file={pki}/ca.crt", "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/front-proxy.crt", f"--proxy-client-key-file={pki}/front-proxy.key",
            *audit.flags()]


def kube_controller_manager(layout):
    pki = layout.pki
    return ["kube-controller-manager", f"--kubeconfig={layout.kubeconfig('controller-manager')}",
            f"--service-account-private-key-file={pki}/sa.key", f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt", f"--cluster-signing-key-file={pki}/ca.key",
            "--use-service-account-credentials", "--leader-elect=false", "--allocate-node-cidrs=false",
            "--bind-address=127.0.0.1"]


def kube_scheduler(layout):
    return ["kube-scheduler", f"--kubeconfig={layout.kubeconfig('scheduler')}", "--leader-elect=false",
            "--bind-address=127.0.0.1"]


def kubelet(layout, node):
    return ["kubelet", "--config=/etc/keelson-e2e/kubelet.yaml", f"--kubeconfig={layout.kubeconfig(node.name)}",
            f"--hostname-override={node.name}", f"--node-ip={node.ip}", "--root-dir=/var/lib/kubelet",
            "--cert-dir=/var/lib/kubelet/pki"]


def command(layout, node, name):
    """The command line of one program on a node."""
    return {"containerd": lambda: ["containerd", "--config", "/etc/containerd/config.toml"],
            "etcd": etcd,
            "kube-apiserver": lambda: kube_apiserver(layout),
            "kube-controller-manager": lambda: kube_controller_manager(layout),
            "kube-scheduler": lambda: kube_scheduler(layout),
            "kubelet": lambda: kubelet(layout, node),
            "kube-proxy": lambda: ["kube-proxy", "--config=/etc/keelson-e2e/kube-proxy.yaml"]}[name]()
