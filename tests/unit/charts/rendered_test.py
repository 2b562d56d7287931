"""What every rendering of charts/keelson must hold, read from the goldens of tests/golden/charts.

tools/charts/check keeps the goldens equal to what helm renders; these tests need no helm.
"""
import json
import os
import re
import subprocess
import unittest

import yaml

from renderings import GOLDENS, ROOT, containers, pods, renderings

ALLOWED_ADDITIONS = {"agent": {"BPF", "NET_ADMIN", "PERFMON"}, "hold": {"NET_ADMIN", "SYS_ADMIN"}}
ROOT_CONTAINERS = {"agent", "hold", "ready"}
HOST_NETWORK = {"agent", "hold"}
HOST_PATHS = {"agent": {"run", "bpf", "cgroup", "netns", "state", "runtime", "cni-bin", "cni-conf"},
              "hold": {"run", "netns"}, "l7": {"run"}, "ready": {"run"}, "ca": set(), "uninstall": set()}
WRITABLE = {"agent": {"run", "bpf", "state", "cni-bin", "cni-conf"}, "hold": {"run"}, "l7": set(), "ready": set(),
            "ca": set(), "uninstall": set()}
CLUSTER_SCOPED = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding",
                  "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


class Rendered(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cases = {case: objects for case, objects in renderings().items() if case != "keelson-crds"}

    def each(self, choose):
        for case, objects in self.cases.items():
            for chosen in choose(objects):
                yield case, chosen

    def kinds(self, case, kind):
        return {found["metadata"]["name"]: found for found in self.cases[case] if found["kind"] == kind}

    def test_every_case_has_a_rendering(self):
        wanted = {path.name.removesuffix(".values.yaml") for path in GOLDENS.glob("*.values.yaml")}
        self.assertEqual(wanted, set(self.cases))
        self.assertLessEqual({"default", "ha", "no-crds", "openshift-like", "all-on"}, wanted)

    def test_every_case_has_the_three_daemonsets_with_their_update_strategies(self):
        overlap = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        for case in self.cases:
            found = {name: entry["spec"]["updateStrategy"] for name, entry in self.kinds(case, "DaemonSet").items()}
            self.assertEqual({"keelson-agent": overlap, "keelson-l7": overlap, "keelson-hold": {"type": "OnDelete"}},
                             found, case)

    def test_no_container_is_privileged_or_may_become_more(self):
        for case, (container, _) in self.each(containers):
            context = container["securityContext"]
            where = f"{case} {container['name']}"
            self.assertNotIn("privileged", context, where)
            self.assertIs(False, context["allowPrivilegeEscalation"], where)
            self.assertIs(True, context["readOnlyRootFilesystem"], where)
            self.assertEqual(["ALL"], context["capabilities"]["drop"], where)

    def test_who_opens_a_pods_network_namespace_sees_those_that_the_runtime_names(self):
        for case, (container, _) in self.each(containers):
            if container["name"] in ("agent", "hold"):
                mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
                self.assertEqual("HostToContainer", mounts["/run/netns"]["mountPropagation"], case)

    def test_the_agent_is_not_under_a_profile_that_forbids_pins(self):
        for case, (container, _) in self.each(containers):
            if container["name"] == "agent":
                self.assertEqual({"type": "Unconfined"}, container["securityContext"]["appArmorProfile"], case)

    def test_an_agent_may_write_its_own_nodes_state_and_taint_only(self):
        for case in self.cases:
            policies, bindings = (self.kinds(case, f"ValidatingAdmissionPolicy{part}") for part in ("", "Binding"))
            if "keelson-agent" in self.kinds(case, "ClusterRole"):
                for name in ("keelson-node-state", "keelson-node-taint"):
                    self.assertIn(name, policies, case)
                    self.assertEqual(["Deny"], bindings[name]["spec"]["validationActions"], case)

    def test_each_container_gets_exactly_its_capabilities(self):
        for case, (container, _) in self.each(containers):
            added = container["securityContext"]["capabilities"].get("add", [])
            self.assertEqual(ALLOWED_ADDITIONS.get(container["name"], set()), set(added), f"{case} {container['name']}")
            self.assertNotIn("SYS_RESOURCE", added)

    def test_only_agent_hold_and_the_test_run_as_root(self):
        for case, (container, spec) in self.each(containers):
            user = container["securityContext"].get("runAsUser", spec["securityContext"].get("runAsUser"))
            where = f"{case} {container['name']}"
            self.assertEqual(0 if container["name"] in ROOT_CONTAINERS else 65532, user, where)
            if container["name"] not in ROOT_CONTAINERS:
                self.assertIs(True, spec["securityContext"]["runAsNonRoot"], where)

    def test_every_pod_says_which_filter_of_system_calls_it_wants(self):
        for case, (name, spec, _) in self.each(pods):
            self.assertIn(spec["securityContext"]["seccompProfile"]["type"], ("RuntimeDefault", "Unconfined"),
                          f"{case} {name}")

    def test_no_port_of_a_host_is_declared_and_only_agent_and_hold_share_its_network(self):
        for case, (container, spec) in self.each(containers):
            ports = container.get("ports", [])
            self.assertTrue(container["name"] == "ca" or not ports, f"{case} {container['name']}")
            self.assertEqual([], [port for port in ports if "hostPort" in port])
            self.assertEqual(container["name"] in HOST_NETWORK, spec.get("hostNetwork", False))
            for sharing in ("hostPID", "hostIPC"):
                self.assertNotIn(sharing, spec)

    def test_only_agent_ca_and_the_uninstall_hook_have_a_token(self):
        for case, (name, spec, _) in self.each(pods):
            self.assertIs(name in ("keelson-agent", "keelson-ca", "keelson-uninstall"),
                          spec["automountServiceAccountToken"], f"{case} {name}")

    def test_what_the_uninstall_hook_needs_lives_as_long_as_the_hook(self):
        for case, objects in self.cases.items():
            hooks = {found["kind"]: found["metadata"]["annotations"] for found in objects
                     if found["metadata"]["name"] == "keelson-uninstall"}
            wanted = {"Job"} if case == "no-crds" else \
                {"Job", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
            self.assertEqual(wanted, set(hooks), case)
            for kind, annotations in hooks.items():
                self.assertEqual("pre-delete", annotations["helm.sh/hook"], f"{case} {kind}")
                self.assertEqual("before-hook-creation,hook-succeeded", annotations["helm.sh/hook-delete-policy"])
                self.assertEqual(kind == "Job", "helm.sh/hook-weight" not in annotations, f"{case} {kind}")

    def test_the_uninstall_hook_fails_by_itself_before_helm_gives_up(self):
        for case in self.cases:
            job = self.kinds(case, "Job")["keelson-uninstall"]["spec"]
            self.assertLess(job["activeDeadlineSeconds"], 300, case)
            wait = next(int(argument.split("=")[1]) for argument in job["template"]["spec"]["containers"][0]["args"]
                        if argument.startswith("--wait="))
            self.assertLess(wait, job["activeDeadlineSeconds"], case)

    def test_without_cni_the_agent_still_reaches_both_folders_to_clean_them(self):
        for case in self.cases:
            agent = self.kinds(case, "DaemonSet")["keelson-agent"]["spec"]["template"]["spec"]["containers"][0]
            mounts = {mount["name"] for mount in agent["volumeMounts"]}
            self.assertLessEqual({"cni-bin", "cni-conf"}, mounts, case)
            self.assertEqual(case == "no-crds", "--cni-off" in agent["args"], case)
            self.assertIn("--cni-conf-dir=/etc/cni/net.d", agent["args"], case)

    def test_host_paths_are_the_known_ones_and_read_only_where_nothing_is_written(self):
        for case, (container, spec) in self.each(containers):
            name = container["name"]
            volumes = {volume["name"] for volume in spec.get("volumes", []) if "hostPath" in volume}
            self.assertLessEqual(volumes, HOST_PATHS[name], f"{case} {name}")
            writable = {mount["name"] for mount in container.get("volumeMounts", []) if not mount.get("readOnly")}
            self.assertLessEqual(writable, WRITABLE[name], f"{case} {name}")
            propagations = {mount.get("mountPropagation") for mount in container.get("volumeMounts", [])}
            self.assertLessEqual(propagations, {None, "HostToContainer"})  # Bidirectional is for privileged ones

    def test_no_pod_of_the_mesh_is_meshed(self):
        for case, (name, _, metadata) in self.each(pods):
            self.assertEqual("disabled", metadata["labels"]["keelson.dev/mesh"], f"{case} {name}")

    def test_a_proxy_has_longer_to_end_than_its_drain(self):
        for case in self.cases:
            spec = self.kinds(case, "DaemonSet")["keelson-l7"]["spec"]["template"]["spec"]
            drain = next(int(argument.split("=")[1]) for argument in spec["containers"][0]["args"]
                         if argument.startswith("--drain-seconds="))
            self.assertEqual(drain + 5, spec["terminationGracePeriodSeconds"], case)

    def test_selectors_select_their_own_pods_and_no_other(self):
        for case in self.cases:
            sets = list(self.kinds(case, "DaemonSet").values())
            for chosen in sets:
                selector = chosen["spec"]["selector"]["matchLabels"].items()
                matched = [other["metadata"]["name"] for other in sets
                           if selector <= other["spec"]["template"]["metadata"]["labels"].items()]
                self.assertEqual([chosen["metadata"]["name"]], matched, case)

    def test_every_object_is_named_placed_and_labelled(self):
        for case, objects in self.cases.items():
            seen = set()
            for found in objects:
                metadata = found["metadata"]
                where = f"{case} {found['kind']} {metadata['name']}"
                self.assertEqual(found["kind"] in CLUSTER_SCOPED, "namespace" not in metadata, where)
                for label in ("name", "instance", "component", "part-of", "managed-by", "version"):
                    self.assertIn(f"app.kubernetes.io/{label}", metadata["labels"], where)
                key = (found["kind"], metadata.get("namespace"), metadata["name"])
                self.assertNotIn(key, seen)
                seen.add(key)

    def test_definitions_are_kept_and_equal_those_of_crds(self):
        own = {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / "crds").glob("*.yaml")}
        for case, objects in renderings().items():
            found = {entry["metadata"]["name"]: entry for entry in objects
                     if entry["kind"] == "CustomResourceDefinition"}
            if case == "no-crds":
                self.assertEqual({}, found)
                continue
            self.assertEqual({entry["metadata"]["name"] for entry in own.values()}, set(found), case)
            for entry in own.values():
                rendered = found[entry["metadata"]["name"]]
                self.assertEqual(entry["spec"], rendered["spec"], case)
                self.assertEqual("keep", rendered["metadata"]["annotations"]["helm.sh/resource-policy"])

    def test_what_agents_fill_is_made_empty(self):
        for case in self.cases:
            self.assertEqual({"keelson-status": {}}, {name: lease["spec"] for name, lease in
                                                      self.kinds(case, "Lease").items()}, case)

    def test_what_the_ca_fills_is_made_empty(self):
        made = {(found["kind"], found["metadata"]["name"]): set(found) for found in self.cases["default"]
                if found["kind"] in ("Secret", "ConfigMap")}
        self.assertEqual({("Secret", "keelson-ca-root"), ("ConfigMap", "keelson-trust-bundle")}, set(made))
        for fields in made.values():
            self.assertEqual(set(), fields & {"data", "stringData", "binaryData"})

    def test_rights_are_those_that_were_agreed(self):
        if os.environ.get("KEELSON_UPDATE_GOLDEN") == "1":
            (GOLDENS / "rights.txt").write_text(self.rights("default"))
        agreed = (GOLDENS / "rights.txt").read_text()
        for case in self.cases:
            if case == "no-crds":
                self.assertEqual({}, {**self.kinds(case, "ClusterRole"), **self.kinds(case, "Role")})
                continue
            self.assertEqual(agreed, self.rights(case), case)

    def rights(self, case):
        lines = []
        for role in [*self.kinds(case, "ClusterRole").values(), *self.kinds(case, "Role").values()]:
            for rule in role["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        only = " of " + ",".join(rule["resourceNames"]) if "resourceNames" in rule else ""
                        lines.append(f"{role['kind']} {role['metadata']['name']}: {group or 'core'}/{resource}: "
                                     f"{' '.join(sorted(rule['verbs']))}{only}\n")
        return "".join(sorted(lines))

    def test_dashboards_are_whole(self):
        maps = [found for found in self.cases["all-on"] if found["kind"] == "ConfigMap" and "data" in found]
        self.assertEqual(2, len(maps))
        for found in maps:
            self.assertEqual("1", found["metadata"]["labels"]["grafana_dashboard"])
            name, text = next(iter(found["data"].items()))
            self.assertEqual(json.loads((ROOT / "charts/keelson/dashboards" / name).read_text()), json.loads(text))
        self.assertEqual([], [found for found in self.cases["default"]
                              if found["kind"] == "ConfigMap" and "data" in found])


class Source(unittest.TestCase):
    def test_what_is_derived_is_current(self):
        done = subprocess.run([ROOT / "tools/charts/generate", "--check"], text=True, capture_output=True, check=False)
        self.assertEqual((0, ""), (done.returncode, done.stdout + done.stderr))

    def test_the_schemas_allow_no_value_of_ours_that_they_do_not_name(self):
        def look(node, path):
            if "properties" in node:
                self.assertIs(False, node.get("additionalProperties"), path)
                for name, child in node["properties"].items():
                    look(child, f"{path}.{name}")

        for chart in ("keelson", "keelson-crds"):
            schema = json.loads((ROOT / "charts" / chart / "values.schema.json").read_text())
            look(schema, chart)
            for name, node in schema.get("definitions", {}).items():
                look(node, f"{chart}.{name}")

    def test_the_charts_carry_the_projects_version(self):
        version = re.search(r"project\(keelson VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
        for chart in ("keelson", "keelson-crds"):
            about = yaml.safe_load((ROOT / "charts" / chart / "Chart.yaml").read_text())
            self.assertEqual((version, version), (about["version"], about["appVersion"]), chart)

    def test_every_image_of_the_chart_is_built(self):
        names = set(re.findall(r'Image\("(keelson-[a-z0-9]+)"', (ROOT / "tools/images/image/contents.py").read_text()))
        values = yaml.safe_load((ROOT / "charts/keelson/values.yaml").read_text())
        used = {part["image"]["repository"] for part in values.values()
                if isinstance(part, dict) and "repository" in part.get("image", {})}
        self.assertEqual(names, used)
