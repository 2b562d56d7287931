"""The Grafana dashboards of charts/keelson/dashboards, as data: rows of panels, each with its queries.

tools/charts/generate writes the JSON; tests/unit/charts compares every metric and label with what the agent serves.
"""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, STAT_HEIGHT, GRAPH_HEIGHT = 24, 4, 8
SCHEMA_VERSION = 39
DIRECT, EITHER = '{reason="direct"}', '{reason=~"direct|captured"}'
TAG = "keelson"


def datasource_variable():
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}


def instance_variable():
    return {"name": "instance", "type": "query", "label": "Node's agent", "datasource": DATASOURCE, "refresh": 2,
            "query": {"query": "label_values(keelson_agent_ready, instance)", "refId": "instances"},
            "definition": "label_values(keelson_agent_ready, instance)", "multi": True, "includeAll": True,
            "allValue": ".*", "current": {"text": "All", "value": "$__all"}}


def targets(queries):
    return [{"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend, "datasource": DATASOURCE}
            for i, (legend, expression) in enumerate(queries)]


def stat(title, description, expression, unit="short", bad_above=None, good_from=None):
    """One number; red above `bad_above`, or below `good_from`."""
    steps = [{"color": "text", "value": None}]
    if bad_above is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": bad_above}]
    if good_from is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": good_from}]
    return {"type": "stat", "title": title, "description": description, "datasource": DATASOURCE,
            "targets": targets([("", expression)]), "width": 4, "height": STAT_HEIGHT,
            "fieldConfig": {"defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}},
                            "overrides": []},
            "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}}


def graph(title, description, queries, unit="short", stack=False, width=12):
    custom = {"fillOpacity": 20 if stack else 5, "stacking": {"mode": "normal" if stack else "none"},
              "showPoints": "never"}
    return {"type": "timeseries", "title": title, "description": description, "datasource": DATASOURCE,
            "targets": targets(queries), "width": width, "height": GRAPH_HEIGHT,
            "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom}, "overrides": []},
            "options": {"legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]},
                        "tooltip": {"mode": "multi", "sort": "desc"}}}


def placed(panels):
    """Left to right, wrapping; ids in order."""
    x = y = line_height = 0
    for number, panel in enumerate(panels, 1):
        width, height = panel.pop("width"), panel.pop("height")
        if x + width > WIDTH:
            x, y = 0, y + line_height
        line_height = height
        yield {**panel, "id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}}
        x += width


def dashboard(uid, title, description, variables, panels):
    return {"uid": uid, "title": title, "description": description, "tags": [TAG], "schemaVersion": SCHEMA_VERSION,
            "version": 1, "editable": True, "time": {"from": "now-1h", "to": "now"}, "refresh": "30s",
            "timezone": "browser", "templating": {"list": variables},
            "links": [{"type": "dashboards", "title": "Keelson", "tags": [TAG], "asDropdown": True, "keepTime": True}],
            "panels": list(placed(panels))}


def rate(metric, selector="", by=""):
    grouped = f" by ({by}) " if by else ""
    return f"sum{grouped}(rate({metric}{selector}[$__rate_interval]))"


def mesh():
    passed = "keelson_datapath_connections_total"
    return dashboard("keelson-mesh", "Keelson / Mesh",
                     "What the mesh carries, what it refuses, and whether it is whole.",
                     [datasource_variable()], [
        stat("Agents ready", "Nodes whose agent has done every start-up task.",
             "sum(keelson_agent_ready)", good_from=1),
        stat("Agents not ready", "", "count(keelson_agent_ready == 0) or vector(0)", bad_above=1),
        stat("Meshed pods", "", "sum(keelson_agent_enrolled_pods)"),
        stat("Pods refused", "They ask for the mesh and cannot join: keelsonctl config workloads says why.",
             "sum(keelson_agent_refused_pods)", bad_above=1),
        stat("Configuration errors", "keelsonctl status lists them.",
             'max(keelson_agent_findings{severity="error"})', bad_above=1),
        stat("Streams lost", "Carried by proxies that ended without a goodbye, in this time range.",
             "sum(increase(keelson_proxy_streams_lost_total[$__range]))", bad_above=1),
        graph("Connections by path",
              "Direct: in the kernel alone. Captured: through a proxy. Passthrough: not to the mesh.",
              [("{{reason}}", rate(passed, by="reason") + " > 0")], "cps", stack=True),
        graph("Kernel path against proxy path", "Share of new connections inside the mesh that needed no proxy.",
              [("direct", f"{rate(passed, DIRECT)} / ({rate(passed, EITHER)} > 0)")], "percentunit"),
        graph("Refused in the kernel", "By reason; at the lookup hook one per packet.",
              [("{{reason}}", rate("keelson_datapath_refusals_total", by="reason") + " > 0")], "ops", stack=True),
        graph("How proxied connections ended", "By reason.",
              [("{{reason}}", rate("keelson_proxy_outcomes_total", by="reason") + " > 0")], "ops", stack=True),
        graph("Carried by proxies", "", [("connections", "sum(keelson_proxy_connections_active)"),
                                          ("HBONE tunnels", "sum(keelson_proxy_tunnels_active)")]),
        graph("Bytes through proxies", "",
              [("{{direction}}", rate("keelson_proxy_bytes_total", by="direction"))], "Bps"),
        graph("TLS handshakes", "", [("handshakes", rate("keelson_proxy_handshakes_total"))], "ops"),
        graph("Connections cut by policy", "Established connections that a policy change ended.",
              [("cut", rate("keelson_datapath_connections_cut_total"))], "ops"),
    ])


def node():
    at = '{instance=~"$instance"}'

    def by_instance(metric, selector=at):
        return f"sum by (instance) (rate({metric}{selector}[$__rate_interval]))"

    return dashboard("keelson-node", "Keelson / Node", "One node's data path, agent and proxy.",
                     [datasource_variable(), instance_variable()], [
        stat("Ready", "", f"min(keelson_agent_ready{at})", good_from=1),
        stat("Hold answers", "", f"min(keelson_agent_hold_connected{at})", good_from=1),
        stat("Proxy connected", "", f"min(keelson_agent_proxy_connected{at})", good_from=1),
        stat("Meshed pods", "", f"sum(keelson_agent_enrolled_pods{at})"),
        stat("Uptime of the agent", "", f"min(keelson_agent_uptime_seconds{at})", "s"),
        stat("Map writes failed", "In this time range.",
             f"sum(increase(keelson_agent_map_write_failures_total{at}[$__range]))", bad_above=1),
        graph("Connections by path", "",
              [("{{reason}}", rate("keelson_datapath_connections_total", at, "reason") + " > 0")],
              "cps", stack=True),
        graph("Refused in the kernel", "",
              [("{{reason}}", rate("keelson_datapath_refusals_total", at, "reason") + " > 0")],
              "ops", stack=True),
        graph("Configuration behind", "Generations that were read but are not whole in the kernel yet.",
              [("{{instance}}", 'sum by (instance) '
                                f'(keelson_agent_generation{{stage="snapshot",instance=~"$instance"}})'
                                ' - sum by (instance) '
                                f'(keelson_agent_generation{{stage="applied",instance=~"$instance"}})')]),
        graph("Phase of the rollout", "",
              [("{{phase}}", f"sum by (phase) (keelson_agent_rollout_phase{at})")], stack=True),
        graph("Rows written to kernel maps", "Nothing is written while nothing changes.",
              [("{{instance}}", by_instance("keelson_agent_map_writes_total"))], "ops"),
        graph("Findings", "What is wrong with the configuration, by severity.",
              [("{{severity}}", f"max by (severity) (keelson_agent_findings{at})")]),
        graph("Flow events lost", "The connections themselves are not touched by that.",
              [("{{where}}", rate("keelson_agent_events_lost_total", at, "where"))], "ops"),
        graph("Connections of the proxy", "",
              [("{{instance}}", by_instance("keelson_proxy_connections_total"))], "cps"),
        graph("Builds", "More than one only while an upgrade runs.",
              [("{{version}} {{commit}}", f"count by (version, commit) (keelson_agent_build_info{at})")]),
    ])


ALL = {"mesh": mesh, "node": node}
