"""The applications of the scenarios, as objects: a web server that says its name and node, and a client. Pure."""
IMAGE = "localhost/tools:1"
LOAD_IMAGE = "localhost/load:1"
PORT = 8080
SERVE = f'mkdir -p /www && echo "$POD on $NODE" > /www/index.html && exec httpd -f -v -p {PORT} -h /www'

# Ends as one does that is to be replaced without a failed request: it serves on until nobody sends it anything new,
# then answers what it has.
SERVE_FAST = f"""\
cat > /tmp/nginx.conf <<END
daemon off; pid /tmp/nginx.pid; user root; worker_processes 1; error_log stderr;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000; keepalive_timeout 600s;
  server {{ listen {PORT}; listen [::]:{PORT}; location / {{ return 200 "$POD on $NODE\\n"; }} }}
}}
END
nginx -p /tmp -e stderr -c /tmp/nginx.conf & server=$!
trap 'kill -QUIT $server' TERM
wait $server; wait $server"""
DRAIN_SECONDS = 5


def from_field(name, path):
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def container(command, **more):
    return {"name": "app", "image": IMAGE, "command": command, **more}


def web_template(app, **spec):
    serving = container(["sh", "-c", SERVE],
                        env=[from_field("POD", "metadata.name"), from_field("NODE", "spec.nodeName")],
                        ports=[{"containerPort": PORT}],
                        readinessProbe={"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1})
    return {"metadata": {"labels": {"app": app}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [serving], **spec}}


def fast_web_template(app, **spec):
    """nginx: for load, and for connections that are kept."""
    template = web_template(app, **spec)
    serving = template["spec"]["containers"][0]
    serving.update(image=LOAD_IMAGE, command=["sh", "-c", SERVE_FAST],
                   lifecycle={"preStop": {"exec": {"command": ["sleep", str(DRAIN_SECONDS)]}}})
    template["spec"]["terminationGracePeriodSeconds"] = DRAIN_SECONDS + 15
    return template


def fast_web_daemon_set(app):
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": app},
            "spec": {"selector": {"matchLabels": {"app": app}}, "template": fast_web_template(app)}}


def fast_web_deployment(app, replicas, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}},
                     "template": fast_web_template(app, **spec)}}


def command_pod(name, command, node=None, image=LOAD_IMAGE, **spec):
    """A pod that runs one command once."""
    where = {"nodeName": node} if node else {}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "restartPolicy": "Never",
                     "containers": [{"name": "app", "image": image, "command": command}], **where, **spec}}


def web_daemon_set(app):
    """One web server on every node."""
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": app},
            "spec": {"selector": {"matchLabels": {"app": app}}, "template": web_template(app)}}


def web_deployment(app, replicas=1, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}},
                     "template": web_template(app, **spec)}}


def service(app, name=None, node_port=None, headless=False):
    port = {"port": 80, "targetPort": PORT, **({"nodePort": node_port} if node_port else {})}
    spec = {"selector": {"app": app}, "ports": [port], "type": "NodePort" if node_port else "ClusterIP",
            **({"clusterIP": "None"} if headless else {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name or app}, "spec": spec}


def route(service, rules=None):
    """HTTPRoute of a Service, named like it; without rules: to itself, so that its requests are routed one by one."""
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": service},
            "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": service, "port": 80}],
                     "rules": rules or [{"backendRefs": [{"name": service, "port": 80}]}]}}


def service_account(name):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def client(name="client", node=None, **spec):
    """A pod to call from; on `node` if given."""
    where = {"nodeName": node} if node else {}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container(["sleep", "1000000"])],
                     **where, **spec}}
