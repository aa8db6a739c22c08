"""Network policies allow the connections of deploy/edges.yaml, from both sides, and no others."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.edges import Edge, edges
from tests.deploy.manifests import (
    OVERLAYS,
    Doc,
    kinds,
    labels,
    matches,
    name_of,
    rendered,
    workloads,
)

PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
OUTSIDE = {
    "cidr": "0.0.0.0/0",
    "except": ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", *PRIVATE[1:]],
}
MANAGED = {5432: "postgres", 6333: "qdrant"}
"""What lies in a private range behind these ports, where somebody else runs it."""
ELSEWHERE = {"ingress", "keda", "monitoring", "outside", *MANAGED.values()}
"""Ends of connections that have no policy of ours, so that one side must do."""


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def peers(peer: dict[str, Any], pods: dict[str, dict[str, str]], port: int) -> Iterator[str]:
    """Names of whom one entry of `from` or `to` means."""
    match peer:
        case {"ipBlock": block} if block["cidr"] in PRIVATE and "except" not in block:
            yield MANAGED[port]
        case {"ipBlock": block}:
            assert block == OUTSIDE
            yield "outside"
        case {"namespaceSelector": {"matchLabels": {"minirag.dev/may-reach-gateway": "true"}}}:
            yield "ingress"
        case {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}:
            yield "keda"
        case {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}:
            yield "monitoring"
        case {"podSelector": selector} if selector:
            yield from (name for name, have in pods.items() if matches(selector, have))
        case other:
            raise AssertionError(f"the tests do not know whom {other} means")


def allowed(docs: list[Doc]) -> tuple[set[Edge], set[Edge]]:
    """What may leave, and what may come in."""
    pods = {name: labels(workload) for name, workload in workloads(docs).items()}
    out: set[Edge] = set()
    into: set[Edge] = set()
    for policy in kinds(docs, "NetworkPolicy"):
        spec = policy["spec"]
        own = [name for name, have in pods.items() if matches(spec["podSelector"], have)]
        for rule in () if name_of(policy) == "names" else spec.get("egress", ()):
            for port in rule["ports"]:
                ends = {e for peer in rule["to"] for e in peers(peer, pods, port["port"])}
                out |= {Edge(name, end, port["port"]) for name in own for end in ends}
        for rule in spec.get("ingress", ()):
            for port in rule["ports"]:
                ends = {e for peer in rule["from"] for e in peers(peer, pods, port["port"])}
                into |= {Edge(end, name, port["port"]) for name in own for end in ends}
    return out, into


def listed(overlay: str) -> set[Edge]:
    return edges("kubernetes", *(["ha"] if overlay == "ha" else []))


def test_the_policies_allow_what_is_listed_and_nothing_else(overlay: str) -> None:
    docs = rendered(overlay)
    out, into = allowed(docs)
    have = set(workloads(docs))
    both = {edge for edge in out if edge in into}
    one_sided = {edge for edge in out | into if {edge.source, edge.target} & (ELSEWHERE - have)}
    assert both | one_sided == listed(overlay)
    assert out | into == listed(overlay), "one side allows what the other refuses"


def test_what_no_policy_names_is_refused(overlay: str) -> None:
    denials = [p for p in kinds(rendered(overlay), "NetworkPolicy") if name_of(p) == "default-deny"]
    assert [p["spec"] for p in denials] == [
        {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    ]


def test_every_rule_names_its_ports(overlay: str) -> None:
    for policy in kinds(rendered(overlay), "NetworkPolicy"):
        for rule in (*policy["spec"].get("egress", ()), *policy["spec"].get("ingress", ())):
            assert {port["protocol"] for port in rule["ports"]} <= {"TCP", "UDP"}
            assert {"to", "from"} & set(rule), f"{name_of(policy)} lets everybody"
