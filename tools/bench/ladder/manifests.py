"""manifests: the objects of the bed as YAML text: six pods on two nodes and a thousand routed Services.

Pure. `plain` pods are outside the mesh (no mesh, peers), `bench` pods inside. Every origin is the same nginx.
"""
ORIGIN_PORT = 8080
SERVICES = 1000
BODIES = {"1k": 1024, "64k": 65536}

# Service that is asked on each rung: no route -> L4; svc-0500 is on the client's node, svc-0501 on the other.
DIRECT, L4, L7_NEAR, L7_FAR = "direct", "l4", "svc-0500", "svc-0501"

PODS = (  # name, namespace, node, is an origin
    ("plain-client", "plain", "node1", False),
    ("plain-near", "plain", "node1", True),
    ("plain-far", "plain", "node2", True),
    ("client", "bench", "node1", False),
    ("near", "bench", "node1", True),
    ("far", "bench", "node2", True),
)

NAMESPACES = """\
apiVersion: v1
kind: Namespace
metadata: {name: plain}
---
apiVersion: v1
kind: Namespace
metadata: {name: bench, labels: {keelson.dev/mesh: enabled}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: client, namespace: bench}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: origin, namespace: bench}
"""

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  nodeName: {node}
{rest}"""

ORIGIN = """\
  containers:
  - name: origin
    command: [nginx, -p, ".", -e, stderr, -c, "$(KEELSON_MANIFESTS)/origin.conf"]
    ports:
    - {{name: http, containerPort: {port}}}
    readinessProbe:
      tcpSocket: {{port: http}}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: bench}}
spec:
  selector: {{app: {app}}}
  ports:
  - {{name: http, port: 80, targetPort: http, appProtocol: http}}
"""

# The first rule fits no request of the bench: each request is compared with it, as it would be in use.
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: bench}}
spec:
  parentRefs:
  - {{group: "", kind: Service, name: {name}, port: 80}}
  rules:
  - matches:
    - path: {{type: PathPrefix, value: /api}}
    backendRefs:
    - {{name: {name}, port: 80}}
  - matches:
    - path: {{type: PathPrefix, value: /}}
    backendRefs:
    - {{name: {name}, port: 80}}
"""

ORIGIN_CONF = """\
# One worker, so that the origin is one process on one core; bodies are files that stay open.
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {{
    listen [::]:{port} ipv6only=off backlog=4096;
    root {folder}/www;
  }}
}}
"""


def service_name(index):
    return f"svc-{index:04}"


def pods():
    """The pods of the bed, one document each."""
    return "---\n".join(
        POD.format(name=name, namespace=namespace, node=node, rest=account(namespace, is_origin) +
                   (ORIGIN.format(port=ORIGIN_PORT) if is_origin else "  containers: []\n"))
        for name, namespace, node, is_origin in PODS)


def account(namespace, is_origin):
    """Client and origin have identities of their own: a tunnel between nodes checks both."""
    return f"  serviceAccountName: {'origin' if is_origin else 'client'}\n" if namespace == "bench" else ""


def services(count=SERVICES):
    """Two Services without routes, then `count` with one route each, in turns on this node and on the other."""
    unrouted = [SERVICE.format(name=DIRECT, app="near"), SERVICE.format(name=L4, app="far")]
    routed = []
    for index in range(count):
        name = service_name(index)
        routed += [SERVICE.format(name=name, app="far" if index % 2 else "near"), ROUTE.format(name=name)]
    return "---\n".join(unrouted + routed)


def write(folder, count=SERVICES):
    """Writes all of it, with the origin's configuration and bodies, into an empty folder."""
    (folder / "www").mkdir()
    for name, size in BODIES.items():
        (folder / "www" / name).write_bytes(b"x" * size)
    (folder / "origin.conf").write_text(ORIGIN_CONF.format(port=ORIGIN_PORT, folder=folder))
    (folder / "00-namespaces.yaml").write_text(NAMESPACES)
    (folder / "10-services.yaml").write_text(services(count))
    (folder / "20-pods.yaml").write_text(pods())
