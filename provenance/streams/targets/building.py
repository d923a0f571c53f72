"""From what was configured to a target that delivers."""

from pathlib import Path

from provenance.core.egress import Egress
from provenance.streams.shapes import ObjectStore, Otlp, Shape, SplunkHec, Syslog, Webhook
from provenance.streams.targets.contract import Secrets, Target
from provenance.streams.targets.object_store import LocalTarget, S3Target
from provenance.streams.targets.otlp import OtlpTarget
from provenance.streams.targets.splunk_hec import SplunkHecTarget
from provenance.streams.targets.syslog import SyslogTarget
from provenance.streams.targets.webhook import WebhookTarget


def build(shape: Shape, secrets: Secrets, egress: Egress, data_dir: Path) -> Target:
    """Return the target that a shape describes; everything it sends goes through ``egress``."""
    if isinstance(shape, SplunkHec):
        return SplunkHecTarget(shape, secrets, egress)
    if isinstance(shape, Syslog):
        return SyslogTarget(shape, egress)
    if isinstance(shape, Otlp):
        return OtlpTarget(shape, secrets, egress)
    if isinstance(shape, ObjectStore):
        return LocalTarget(shape, data_dir) if shape.is_local else S3Target(shape, secrets, egress)
    assert isinstance(shape, Webhook), shape
    return WebhookTarget(shape, secrets, egress)
