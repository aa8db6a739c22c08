"""What watches an installation: valid, hardened, and about metrics that the code really has."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from compose_spec import PyCompose
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry.metrics import CATALOGUE
from tests.deploy.compose import OURS, ROOT, WATCHING, resolved
from tests.deploy.known import unknown
from tests.deploy.manifests import (
    config_maps,
    container,
    kinds,
    name_of,
    pod,
    rendered,
    variables,
    workloads,
)

FOLDER = ROOT / "deploy" / "observability"
COLLECTOR = ROOT / "deploy" / "k8s" / "components" / "observability" / "collector.conf"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
ADDED = ("collector", "jaeger", "prometheus", "grafana")
PROBES = 9464
NO_PROBE = {"collector", "jaeger"}
"""Their images hold nothing that could ask."""
TARGET = {"instance", "job", "process"}
"""Labels that Prometheus gives every series of ours."""
ANCHORS = {
    line.removeprefix("## ").lower()
    for line in (ROOT / "docs" / "runbooks.md").read_text().splitlines()
    if line.startswith("## ")
}


def known() -> dict[str, set[str]]:
    """Every series that a scrape of ours can have, and its labels."""
    found = {"up": set(TARGET)}
    for one in CATALOGUE:
        labels = {*one.labels, *TARGET}
        if one.kind == "histogram":
            found[f"{one.name}_bucket"] = {*labels, "le"}
            found[f"{one.name}_sum"] = found[f"{one.name}_count"] = labels
        else:
            found[one.name] = labels
    for family in text_string_to_metric_families(generate_latest(REGISTRY).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {*sample.labels, *TARGET})
    return found


SERIES = known()


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Every choice of series in an expression of PromQL. Raises `ValueError` for what is none."""
    # The variable is Grafana's; any duration stands for it.
    tree = promql_parser.parse(expression.replace("$__rate_interval", "1m"))
    found: list[promql_parser.VectorSelector] = []

    def visit(node: Any) -> None:
        match node:
            case promql_parser.VectorSelector():
                found.append(node)
            case promql_parser.MatrixSelector():
                found.append(node.vector_selector)
            case promql_parser.BinaryExpr():
                visit(node.lhs)
                visit(node.rhs)
            case promql_parser.AggregateExpr() | promql_parser.ParenExpr():
                visit(node.expr)
            case promql_parser.Call():
                for argument in node.args:
                    visit(argument)
            case promql_parser.NumberLiteral():
                pass
            case other:
                raise AssertionError(f"the tests do not know {type(other).__name__}")

    visit(tree)
    return iter(found)


def expressions() -> Iterator[Any]:
    for rule in RULES:
        yield pytest.param(rule["expr"], id=rule["alert"])
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


class TestEveryExpression:
    @pytest.mark.parametrize("expression", list(expressions()))
    def test_is_about_series_and_labels_that_exist(self, expression: str) -> None:
        chosen = list(selectors(expression))
        assert chosen
        labels = set()
        for one in chosen:
            assert one.name in SERIES, one.name
            labels |= SERIES[one.name]
            assert {matcher.name for matcher in one.matchers.matchers} <= SERIES[one.name]
        grouped = {
            label.strip()
            for group in re.findall(r"\bby \(([^)]*)\)", expression)
            for label in group.split(",")
        }
        assert grouped <= labels

    def test_of_a_metric_that_nobody_has_would_be_found(self) -> None:
        (one,) = selectors("rate(minirag_nonsense_total[5m]) > 0")
        assert one.name not in SERIES

    def test_that_is_none_is_found(self) -> None:
        with pytest.raises(ValueError, match="parenthesis"):
            list(selectors("sum(rate(minirag_commands_total[5m])"))


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in RULES])
class TestEveryAlert:
    def test_says_what_where_and_how_bad(self, rule: dict[str, Any]) -> None:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"MiniRag[A-Z]\w+", rule["alert"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert promql_parser.parse_duration(rule["for"]) is not None

    def test_has_its_section_in_the_runbooks(self, rule: dict[str, Any]) -> None:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/runbooks.md"
        assert anchor == rule["alert"].lower()
        assert anchor in ANCHORS


def test_the_runbooks_have_no_section_for_an_alert_that_is_gone() -> None:
    assert {rule["alert"].lower() for rule in RULES} == ANCHORS


def test_every_panel_asks_a_source_that_is_provisioned() -> None:
    sources = yaml.safe_load(
        (FOLDER / "grafana/provisioning/datasources/minirag.yaml").read_text()
    )["datasources"]
    have = {source["uid"] for source in sources}
    assert DASHBOARDS
    for file in DASHBOARDS:
        panels = json.loads(file.read_text())["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        used = {panel["datasource"]["uid"] for panel in panels if "datasource" in panel}
        assert used <= have
    hosts = {source["url"].split("/")[2].split(":")[0] for source in sources}
    assert hosts <= set(ADDED)


class TestTheLayer:
    LAYER = resolved(file=WATCHING)

    def merged(self) -> dict[str, Any]:
        """Both files, as Compose lays one over the other, as far as they meet."""
        whole = resolved()
        for name, one in self.LAYER["services"].items():
            if name not in OURS:
                whole["services"][name] = one
                continue
            under = whole["services"][name]
            under["environment"] = {**under["environment"], **one["environment"]}
            under["networks"] = [*under["networks"], *one["networks"]]
        whole["networks"] |= self.LAYER["networks"]
        return whole

    def test_is_valid_by_the_specification_with_what_lies_below(self) -> None:
        PyCompose.from_yaml(yaml.safe_dump(self.merged())).to_spec()

    def test_adds_to_every_service_the_same(self) -> None:
        for name in OURS:
            one = self.LAYER["services"][name]
            assert set(one) == {"environment", "networks"}
            assert unknown(name, one["environment"]) == set()
            assert one["environment"]["MINIRAG_PROBE_PORT"] == str(PROBES)
            assert one["networks"] == ["watch"]
        assert set(self.LAYER["services"]) == {*OURS, *ADDED}

    @pytest.mark.parametrize("name", ADDED)
    def test_locks_down_what_it_brings(self, name: str) -> None:
        one = self.LAYER["services"][name]
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert one["user"] == "1000:1000"
        assert one["deploy"]["resources"]["limits"]["memory"]
        assert re.search(r":v?\d+\.\d+\.\d+$", one["image"]), "floats"
        assert (one["healthcheck"].get("disable") is True) == (name in NO_PROBE)
        for port in one.get("ports", ()):
            assert port.startswith("127.0.0.1:")

    def test_mounts_files_that_are_there(self) -> None:
        for name in ADDED:
            for volume in self.LAYER["services"][name].get("volumes", ()):
                path = volume.split(":")[0]
                assert path == "./.compose/data/prometheus" or (ROOT / path).exists(), path

    def test_sends_spans_to_its_collector_and_scrapes_every_service(self) -> None:
        collector = yaml.safe_load(COLLECTOR.read_text())
        listens = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
        for name in OURS:
            environment = self.LAYER["services"][name]["environment"]
            target = environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
            assert target == f"http://collector:{listens.rpartition(':')[2]}"
        assert collector["exporters"]["otlp"]["endpoint"] == "${env:TRACES_ADDRESS}"
        address = self.LAYER["services"]["collector"]["environment"]["TRACES_ADDRESS"]
        assert address.partition(":")[0] in ADDED
        (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
        (found,) = job["dns_sd_configs"]
        assert sorted(found["names"]) == sorted(OURS)
        assert found["port"] == PROBES
        assert {config["target_label"] for config in job["relabel_configs"]} < TARGET


class TestInKubernetes:
    def test_every_alert_is_there_as_it_is_here(self) -> None:
        (rule,) = kinds(rendered("ha"), "PrometheusRule")
        assert rule["spec"] == yaml.safe_load((FOLDER / "alerts.yml").read_text())

    def test_the_collector_is_the_one_that_containers_have(self) -> None:
        docs = rendered("ha")
        one = container(workloads(docs)["collector"])
        assert one["image"] == resolved(file=WATCHING)["services"]["collector"]["image"]
        assert variables(workloads(docs)["collector"], docs).keys() == {"TRACES_ADDRESS"}
        (volume,) = pod(workloads(docs)["collector"])["volumes"]
        data = config_maps(docs)[volume["configMap"]["name"]]
        assert data == {"config.yaml": COLLECTOR.read_text()}

    def test_services_send_spans_to_its_port(self) -> None:
        docs = rendered("ha")
        (service,) = [one for one in kinds(docs, "Service") if name_of(one) == "collector"]
        (port,) = service["spec"]["ports"]
        for name in OURS:
            target = variables(workloads(docs)[name], docs)["OTEL_EXPORTER_OTLP_ENDPOINT"]
            assert target == f"http://collector:{port['port']}"
        ports = {
            p["name"]: p["containerPort"] for p in container(workloads(docs)["collector"])["ports"]
        }
        listens = yaml.safe_load(COLLECTOR.read_text())["receivers"]["otlp"]["protocols"]["http"]
        assert listens["endpoint"].rpartition(":")[2] == str(ports[port["targetPort"]])
