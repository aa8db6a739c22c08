"""The alerts as the Prometheus operator wants them: the same rules in another envelope."""

from pathlib import Path
from textwrap import indent

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "deploy" / "observability" / "alerts.yml"
MANIFEST = ROOT / "deploy" / "k8s" / "components" / "observability" / "alerts.yaml"
HEAD = """\
# Written by `make docs` from deploy/observability/alerts.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: { name: minirag }
spec:
"""


def manifest() -> str:
    """What `MANIFEST` must hold."""
    _, groups, rules = SOURCE.read_text().partition("groups:")
    return HEAD + indent(groups + rules, "  ")
