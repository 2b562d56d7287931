"""Which pods of a namespace are not ready and what the cluster says of them, in one line: what a run that failed tells
where only the end of its output is kept."""
EVENTS_MAX, TEXT_MAX = 6, 300


def described(pods, events):
    """One line of pods and Events as the API server lists them."""
    waiting = [said for pod in pods if (said := of_pod(pod))]
    warnings = [of_event(event) for event in sorted(events, key=when) if event.get("type") == "Warning"][-EVENTS_MAX:]
    return "; ".join([*(waiting or ["every pod is ready"]), *warnings])


def of_pod(pod):
    """Empty for a pod that is ready and stays."""
    status, is_leaving = pod.get("status", {}), "deletionTimestamp" in pod["metadata"]
    conditions = {condition["type"]: condition for condition in status.get("conditions", [])}
    if conditions.get("Ready", {}).get("status") == "True" and not is_leaving:
        return ""
    words = [status.get("phase", "without phase"), *(["leaving"] if is_leaving else [])]
    words += [f"{kind}: {condition['message']}" for kind, condition in conditions.items() if condition.get("message")]
    for container in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        words += of_container(container)
    return f"{pod['metadata']['name']} on {pod['spec'].get('nodeName', 'no node')} is {cut(', '.join(words))}"


def of_container(status):
    """What it waits for or ended with, and how its last run ended."""
    said = []
    for state in (status.get("state", {}), status.get("lastState", {})):
        for kind in ("waiting", "terminated"):
            if one := state.get(kind):
                code = f" {one['exitCode']}" if "exitCode" in one else ""
                said.append(f"{status['name']} {kind} {one.get('reason', '')}{code} {one.get('message', '')}".strip())
    return said


def of_event(event):
    return f"{event['involvedObject'].get('name', '')} {event.get('reason', '')}: {cut(event.get('message', ''))}"


def when(event):
    return event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp", "")


def cut(text):
    line = " ".join(text.split())
    return line if len(line) <= TEXT_MAX else line[:TEXT_MAX] + "..."
