"""The applications of the scenarios, as objects: a web server that says its name and node, and a client. Pure."""
IMAGE = "localhost/tools:1"
PORT = 8080
SERVE = f'mkdir -p /www && echo "$POD on $NODE" > /www/index.html && exec httpd -f -v -p {PORT} -h /www'


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


def client(name="client", node=None, **spec):
    """A pod to call from; on `node` if given."""
    where = {"nodeName": node} if node else {}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container(["sleep", "1000000"])],
                     **where, **spec}}
