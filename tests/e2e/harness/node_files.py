"""The files of a node: what its programs read, written into the upper folder of its root before it starts.

Pure but for `write`: `files` gives {path in the node: text}.
"""
import json
import os

from harness import audit
from harness.layout import DNS_IP, POD_CIDR
from harness.mesh import NAMESPACE

# Folders of the machine that a node must not see through: their own content only.
OPAQUE = ["etc/cni", "opt/cni", "etc/containerd", "var/lib/kubelet", "var/lib/containerd", "var/lib/etcd",
          "var/lib/cni", "var/lib/keelson", "var/log", "tmp"]
CNI_PLUGINS = "/usr/lib/cni"
RUNC_WITHOUT_LIMITS = "/usr/local/sbin/runc-without-limits"

CONTAINERD = """\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def containerd(has_controllers):
    """Where the v2 hierarchy has no controllers, runc is started through a script that asks it for no limits."""
    return CONTAINERD + ("" if has_controllers else f'      BinaryName = "{RUNC_WITHOUT_LIMITS}"\n')


def cni(node):
    ipam = {"type": "host-local", "ranges": [[{"subnet": node.pod_cidr}]]}
    bridge = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "hairpinMode": True, "ipMasq": False,
              "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}, indent=2)


def kubelet(layout):
    return json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "failCgroupV1": False, "cgroupDriver": "cgroupfs", "failSwapOn": False,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": f"{layout.pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local", "clusterDNS": [DNS_IP], "resolvConf": "/etc/resolv.conf",
        "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi"},
        "imageGCHighThresholdPercent": 100}, indent=2)


def kube_proxy(layout, node, mode):
    """No conntrack settings: those sysctls belong to the whole machine."""
    return json.dumps({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": mode,
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("proxy"))}, "hostnameOverride": node.name,
        "clusterCIDR": POD_CIDR, "detectLocalMode": "ClusterCIDR", "metricsBindAddress": "127.0.0.1:10249",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}}, indent=2)


def files(layout, node, proxy_mode, has_controllers):
    return {"etc/hostname": node.name + "\n",
            "etc/hosts": f"127.0.0.1 localhost\n{node.ip} {node.name}\n",
            "etc/resolv.conf": f"nameserver {DNS_IP}\n",
            "etc/cni/net.d/10-bridge.conflist": cni(node),
            "etc/containerd/config.toml": containerd(has_controllers),
            audit.POLICY_FILE.lstrip("/"): audit.policy(NAMESPACE),
            "etc/keelson-e2e/kubelet.yaml": kubelet(layout),
            "etc/keelson-e2e/kube-proxy.yaml": kube_proxy(layout, node, proxy_mode)}


def write(upper, contents):
    """Fills the upper folder of an overlay that is not mounted yet."""
    for folder in OPAQUE:
        (upper / folder).mkdir(parents=True, exist_ok=True)
        os.setxattr(upper / folder, "trusted.overlay.opaque", b"y")
    os.chmod(upper / "tmp", 0o1777)
    for folder in ("opt/cni/bin", "var/log/pods", "var/log/containers"):
        (upper / folder).mkdir(parents=True, exist_ok=True)
    for plugin in os.listdir(CNI_PLUGINS):
        (upper / "opt/cni/bin" / plugin).symlink_to(f"{CNI_PLUGINS}/{plugin}")
    for path, text in contents.items():
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text(text)
