"""deploy/k8s: valid by the schemas, hardened, and consistent with the code."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from docs.api import application
from services.gateway.http.leaving import KEEP_ALIVE_SECONDS
from shared.cli.init import init
from tests.deploy.compose import OURS, ROOT, WATCHING, resolved, services
from tests.deploy.image import VERSION, environment
from tests.deploy.known import names, settings_of, unknown
from tests.deploy.manifests import (
    K8S,
    OVERLAYS,
    Doc,
    config_maps,
    container,
    kinds,
    labels,
    matches,
    mounted_secrets,
    name_of,
    pod,
    raw,
    rendered,
    variables,
    workloads,
)

SCHEMAS = Path(__file__).parent / "schemas"
NEWEST = str(kubernetes_validate.latest_version())
OLDEST = "1.32"
"""Of Kubernetes, that the manifests use nothing newer than."""
UNITS = {"Mi": 2**20, "Gi": 2**30, "GB": 10**9}


@pytest.fixture(params=OVERLAYS)
def docs(request: pytest.FixtureRequest) -> list[Doc]:
    return rendered(request.param)


def routes() -> set[str]:
    """Paths that the gateway answers."""
    return set(application().openapi()["paths"])


def size(text: str) -> float:
    found = re.fullmatch(r"(\d+)(\w+)", text)
    assert found, text
    return int(found[1]) * UNITS[found[2]]


def check(doc: Doc, version: str) -> None:
    schema = SCHEMAS / f"{doc['kind']}.json"
    if schema.exists():
        jsonschema.validate(doc, json.loads(schema.read_text()))
    else:
        kubernetes_validate.validate(doc, version, strict=True)


class TestTheFiles:
    @pytest.mark.parametrize(
        ("file", "doc"), [pytest.param(f, d, id=f"{f.stem}-{d['kind']}") for f, d in raw()]
    )
    def test_are_valid_by_the_schema_of_kubernetes(self, file: Path, doc: Doc) -> None:
        if "minirag.dev/kind" in doc["metadata"].get("labels", {}):
            containers = doc["spec"]["template"]["spec"]["containers"]
            assert [one["name"] for one in containers] == ["minirag"], "the patches name it"
        check(doc, NEWEST)

    def test_the_check_of_that_is_strict(self) -> None:
        doc = next(doc for _, doc in raw() if doc["kind"] == "Service")
        with pytest.raises(kubernetes_validate.ValidationError):
            check({**doc, "spec": {**doc["spec"], "port": []}}, NEWEST)
        scaled = next(doc for _, doc in raw() if doc["kind"] == "ScaledObject")
        with pytest.raises(jsonschema.ValidationError):
            check({**scaled, "spec": {**scaled["spec"], "maxReplicas": 3}}, NEWEST)

    def test_are_all_part_of_a_kustomization(self) -> None:
        listed = set()
        for file in K8S.rglob("kustomization.yaml"):
            text = file.read_text()
            listed |= {p for p in file.parent.iterdir() if p.name in text}
        loose = {f for f in K8S.rglob("*") if f.is_file() and f.name != "kustomization.yaml"}
        assert loose - listed == set()

    def test_there_is_one_for_every_service(self) -> None:
        assert {name for name in OURS if not (K8S / "base" / f"{name}.yaml").exists()} == set()

    def test_nothing_is_written_twice_in_overlays(self) -> None:
        blocks: dict[str, Path] = {}
        for overlay in OVERLAYS:
            for file in (K8S / "overlays" / overlay).iterdir():
                for doc in yaml.safe_load_all(file.read_text()) if file.suffix == ".yaml" else ():
                    if doc["kind"] == "Kustomization":
                        continue
                    block = yaml.dump(doc["spec"])
                    assert block not in blocks, f"{file} repeats {blocks.get(block)}"
                    blocks[block] = file


class TestRendered:
    @pytest.mark.parametrize("version", [OLDEST, NEWEST])
    def test_everything_is_valid_by_the_schema_of_kubernetes(
        self, docs: list[Doc], version: str
    ) -> None:
        for doc in docs:
            check(doc, version)

    def test_nothing_lies_outside_the_namespace(self, docs: list[Doc]) -> None:
        spaces = {doc["metadata"].get("namespace") for doc in docs if doc["kind"] != "Namespace"}
        assert spaces == {"minirag"}
        (space,) = kinds(docs, "Namespace")
        assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_every_name_is_given_once(self, docs: list[Doc]) -> None:
        given = [(doc["kind"], name_of(doc)) for doc in docs]
        assert len(given) == len(set(given))

    def test_no_secret_is_written_down(self, docs: list[Doc]) -> None:
        assert kinds(docs, "Secret") == []
        for workload in workloads(docs).values():
            assert "secretKeyRef" not in json.dumps(workload)

    def test_every_selector_finds_pods(self, docs: list[Doc]) -> None:
        pods = [labels(workload) for workload in workloads(docs).values()]
        for service in kinds(docs, "Service"):
            selector = {"matchLabels": service["spec"]["selector"]}
            assert [have for have in pods if matches(selector, have)], name_of(service)
        for budget in kinds(docs, "PodDisruptionBudget"):
            assert len([p for p in pods if matches(budget["spec"]["selector"], p)]) == 1
        for policy in kinds(docs, "NetworkPolicy"):
            assert [p for p in pods if matches(policy["spec"]["podSelector"], p)], name_of(policy)

    def test_every_service_leads_to_a_port_that_is_there(self, docs: list[Doc]) -> None:
        for service in kinds(docs, "Service"):
            selector = {"matchLabels": service["spec"]["selector"]}
            for workload in workloads(docs).values():
                if matches(selector, labels(workload)):
                    ports = {port["name"] for port in container(workload)["ports"]}
                    wanted = {port["targetPort"] for port in service["spec"]["ports"]}
                    assert wanted <= ports

    def test_the_way_in_leads_to_the_gateway(self, docs: list[Doc]) -> None:
        (ingress,) = kinds(docs, "Ingress")
        (rule,) = ingress["spec"]["rules"]
        assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        (gateway,) = [s for s in kinds(docs, "Service") if name_of(s) == backend["name"]]
        assert backend["port"]["name"] in {port["name"] for port in gateway["spec"]["ports"]}

    def test_every_host_in_a_setting_is_a_service_or_outside(self, docs: list[Doc]) -> None:
        have = {name_of(service) for service in kinds(docs, "Service")}
        for data in config_maps(docs).values():
            for host in re.findall(r"://([\w.-]+)", "".join(f"{v}\n" for v in data.values())):
                assert host in have or "." in host or host == "minirag", host


class TestEveryWorkload:
    def test_is_locked_down(self, docs: list[Doc]) -> None:
        for name, workload in workloads(docs).items():
            spec, one = pod(workload), container(workload)
            assert spec["automountServiceAccountToken"] is False, name
            assert spec["serviceAccountName"] == name
            assert spec["enableServiceLinks"] is False
            user = spec["securityContext"]
            assert user["runAsNonRoot"] is True
            assert user["runAsUser"] >= 999
            assert user["fsGroup"] == user["runAsUser"]
            assert user["seccompProfile"] == {"type": "RuntimeDefault"}
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec), name

    def test_has_an_account_of_its_own_without_a_token(self, docs: list[Doc]) -> None:
        accounts = {name_of(a): a for a in kinds(docs, "ServiceAccount")}
        assert set(accounts) == set(workloads(docs))
        assert {a["automountServiceAccountToken"] for a in accounts.values()} == {False}

    def test_asks_for_what_it_needs_and_is_limited_in_memory_only(self, docs: list[Doc]) -> None:
        for name, workload in workloads(docs).items():
            resources = container(workload)["resources"]
            assert set(resources["requests"]) == {"cpu", "memory"}, name
            # A limit for the processor would stall a stream while the node idles.
            assert set(resources["limits"]) == {"memory"}, name
            assert size(resources["requests"]["memory"]) <= size(resources["limits"]["memory"])

    def test_writes_to_volumes_of_limited_size_only(self, docs: list[Doc]) -> None:
        for name, workload in workloads(docs).items():
            for volume in pod(workload)["volumes"]:
                if "emptyDir" in volume:
                    assert volume["emptyDir"]["sizeLimit"], name
                if "secret" in volume:
                    assert volume["secret"]["defaultMode"] == 0o440, name
            mounts = container(workload)["volumeMounts"]
            have = {volume["name"] for volume in pod(workload)["volumes"]}
            claims = workload["spec"].get("volumeClaimTemplates", ())
            have |= {name_of(claim) for claim in claims}
            assert {mount["name"] for mount in mounts} == have, name

    def test_has_an_exact_image(self, docs: list[Doc]) -> None:
        compose = {one["image"] for one in services().values()}
        compose.add(resolved(file=WATCHING)["services"]["collector"]["image"])
        for name, workload in workloads(docs).items():
            image = container(workload)["image"]
            ours = "minirag-gateway" if name == "migrate" else f"minirag-{name}"
            assert image in compose, f"{name}: {image} is not the one of docker-compose.yml"
            if name in {*OURS, "migrate"}:
                assert image == f"{ours}:{VERSION}"

    def test_lets_nodes_be_drained_one_by_one(self, docs: list[Doc]) -> None:
        budgets = {name_of(b): b["spec"] for b in kinds(docs, "PodDisruptionBudget")}
        assert set(budgets) == {name for name, w in workloads(docs).items() if w["kind"] != "Job"}
        assert {spec["maxUnavailable"] for spec in budgets.values()} == {1}

    def test_runs_commands_that_exist(self, docs: list[Doc]) -> None:
        for name in (*OURS, "migrate"):
            one = container(workloads(docs)[name])
            assert "command" not in one, "the image's entry point is the command"
            assert one["args"] == (["migrate"] if name == "migrate" else ["run"])

    def test_reads_no_variable_and_no_file_in_vain(self, docs: list[Doc]) -> None:
        everybody = {name for service in OURS for name in names(settings_of(service))}
        for name in (*OURS, "migrate"):
            workload = workloads(docs)[name]
            own = {entry["name"] for entry in container(workload).get("env", ())}
            assert unknown(name, own) == set()
            shared = set(variables(workload, docs)) - own
            assert shared - everybody - {"AWS_REGION"} == set()
            assert set(mounted_secrets(workload)) <= names(settings_of(name))


@pytest.mark.parametrize("name", OURS)
class TestEveryServiceOfOurs:
    def test_is_given_all_that_it_needs(
        self, name: str, docs: list[Doc], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "docker-compose.yml").touch()
        init(tmp_path, "localhost")
        workload = workloads(docs)[name]
        mounted = tmp_path / "mounted"
        mounted.mkdir()
        for key, path in mounted_secrets(workload).items():
            (mounted / path).write_text((tmp_path / ".compose/secrets" / key).read_text())
        for variable in names(settings_of(name)):
            monkeypatch.delenv(variable, raising=False)
        for variable, value in variables(workload, docs).items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("MINIRAG_SECRETS_DIR", str(mounted))
        settings_of(name)()

    def test_has_the_address_of_no_other_service_s_tables(self, name: str, docs: list[Doc]) -> None:
        keys = {k for k in mounted_secrets(workloads(docs)[name]) if k.endswith("DATABASE_URL")}
        assert keys == {f"MINIRAG_{name.upper()}_DATABASE_URL"}

    def test_is_replaced_without_a_gap(self, name: str, docs: list[Doc]) -> None:
        spec = workloads(docs)[name]["spec"]
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        keys = {c["topologyKey"] for c in pod(workloads(docs)[name])["topologySpreadConstraints"]}
        assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}

    def test_has_time_to_finish_its_streams(self, name: str, docs: list[Doc]) -> None:
        given, spec = variables(workloads(docs)[name], docs), pod(workloads(docs)[name])
        notice = int(given.get("MINIRAG_NOTICE_SECONDS", 0))
        drain = int(given.get("MINIRAG_DRAIN_SECONDS", 15))
        assert spec["terminationGracePeriodSeconds"] >= notice + drain + 20
        # As long as it takes to be seen, and for the endpoints to be told to every node.
        probe = container(workloads(docs)[name])["readinessProbe"]
        seen = probe["periodSeconds"] * probe["failureThreshold"]
        assert notice >= seen if name == "gateway" else notice == 0
        # Behind the notice, whoever keeps a connection comes again or gives it up in that time.
        assert drain > KEEP_ALIVE_SECONDS or name != "gateway"

    def test_is_probed_in_three_ways(self, name: str, docs: list[Doc]) -> None:
        one = container(workloads(docs)[name])
        probes = [one[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
        if name == "gateway":
            ports = {port["name"]: port["containerPort"] for port in one["ports"]}
            paths = [probe["httpGet"]["path"] for probe in probes]
            assert paths == ["/livez", "/livez", "/readyz"]
            assert set(paths) <= routes()
            assert {probe["httpGet"]["port"] for probe in probes} <= set(ports)
            port = str(ports["http"])
            assert variables(workloads(docs)[name], docs)["MINIRAG_PORT"] == port
        else:
            commands = [probe["exec"]["command"] for probe in probes]
            live = ["minirag", "healthcheck", "--live"]
            assert commands == [live, live, live[:2]]
            assert environment(name)["MINIRAG_HEARTBEAT_FILE"].startswith("/tmp/")

    def test_is_not_restarted_because_something_else_is_away(
        self, name: str, docs: list[Doc]
    ) -> None:
        one = container(workloads(docs)[name])
        probe = json.dumps(one["livenessProbe"])
        assert "/livez" in probe or "--live" in probe


class TestTheBroker:
    def test_syncs_every_write(self) -> None:
        assert "sync_interval: always" in (K8S / "base" / "nats.conf").read_text()

    def test_stops_before_its_disk_is_full(self, docs: list[Doc]) -> None:
        workload = workloads(docs)["nats"]
        (claim,) = workload["spec"]["volumeClaimTemplates"]
        room = size(claim["spec"]["resources"]["requests"]["storage"])
        store = size(variables(workload, docs)["MAX_FILE_STORE"])
        assert 0.5 * room < store <= 0.8 * room

    def test_is_probed_at_the_path_that_tells_of_a_dead_stream(self, docs: list[Doc]) -> None:
        one = container(workloads(docs)["nats"])
        for kind in ("startup", "liveness", "readiness"):
            get = one[f"{kind}Probe"]["httpGet"]
            assert (get["path"], get["port"]) == ("/healthz", "monitor")

    def test_keeps_as_many_copies_as_there_are_servers(self, docs: list[Doc]) -> None:
        copies = {
            int(data["MINIRAG_STREAM_REPLICAS"])
            for data in config_maps(docs).values()
            if "MINIRAG_STREAM_REPLICAS" in data
        }
        assert copies == {workloads(docs)["nats"]["spec"]["replicas"]}

    def test_gets_files_for_all_that_its_configuration_includes(self, docs: list[Doc]) -> None:
        workload = workloads(docs)["nats"]
        (config,) = [v for v in pod(workload)["volumes"] if v["name"] == "config"]
        files: set[str] = set()
        for source in config["projected"]["sources"]:
            for kind in ("configMap", "secret"):
                if kind in source:
                    every = config_maps(docs).get(source[kind]["name"], {})
                    items = source[kind].get("items", [{"path": path} for path in every])
                    assert not files & {item["path"] for item in items}
                    files |= {item["path"] for item in items}
        text = (K8S / "base" / "nats.conf").read_text()
        assert files == {"nats.conf", *re.findall(r'^include "([\w.]+)"', text, re.MULTILINE)}


class TestTheOverlayHa:
    def test_survives_the_loss_of_any_node(self) -> None:
        docs = rendered("ha")
        least = {name_of(s): s["spec"]["minReplicaCount"] for s in kinds(docs, "ScaledObject")}
        for name, workload in workloads(docs).items():
            if workload["kind"] == "Job":
                continue
            count = workload["spec"].get("replicas", least.get(name))
            assert count == (3 if name == "nats" else 2), name

    def test_only_one_counts_the_replicas(self) -> None:
        docs = rendered("ha")
        for scaled in kinds(docs, "ScaledObject"):
            target = scaled["spec"]["scaleTargetRef"]["name"]
            assert "replicas" not in workloads(docs)[target]["spec"]

    def test_what_it_scales_by_exists_in_the_code(self) -> None:
        triggers = [
            (name_of(scaled), trigger["metadata"])
            for scaled in kinds(rendered("ha"), "ScaledObject")
            for trigger in scaled["spec"]["triggers"]
            if trigger["type"] == "nats-jetstream"
        ]
        wiring = (ROOT / "services" / "chat" / "main.py").read_text()
        for _, metadata in triggers:
            if metadata["stream"] == "EVENTS":
                service, _, reaction = metadata["consumer"].partition("-")
                assert service == "chat"
                assert f'"{reaction}"' in wiring
            host = metadata["natsServerMonitoringEndpoint"]
            assert host == "nats-headless.minirag.svc.cluster.local:8222"

    def test_every_service_is_watched_at_its_port_for_probes(self) -> None:
        docs = rendered("ha")
        (monitor,) = kinds(docs, "PodMonitor")
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        for name in OURS:
            workload = workloads(docs)[name]
            assert matches(monitor["spec"]["selector"], labels(workload))
            ports = {port["name"]: port["containerPort"] for port in container(workload)["ports"]}
            assert str(ports[endpoint["port"]]) == variables(workload, docs)["MINIRAG_PROBE_PORT"]

    def test_everything_comes_from_one_external_secret(self) -> None:
        docs = rendered("ha")
        (external,) = kinds(docs, "ExternalSecret")
        used: set[Any] = set()
        for workload in workloads(docs).values():
            text = json.dumps(pod(workload))
            used |= set(re.findall(r'"secretName": "([\w-]+)"', text))
        assert used == {external["spec"]["target"]["name"]}

    def test_every_file_that_is_mounted_is_one_that_init_makes(
        self, tmp_path: Path, docs: list[Doc]
    ) -> None:
        (tmp_path / "docker-compose.yml").touch()
        init(tmp_path, "localhost")
        made = {path.name for path in (tmp_path / ".compose/secrets").iterdir()}
        for workload in workloads(docs).values():
            assert set(mounted_secrets(workload)) <= made
