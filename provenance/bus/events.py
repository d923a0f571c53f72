"""What can happen on the bus, by the names the ledger knows (spec/automation.md, 11.3)."""

from enum import StrEnum


class BusEvent(StrEnum):
    """What can happen on the bus."""

    MESSAGE_PUBLISHED = "bus.message_published"
    DELIVERY_FAILED = "bus.delivery_failed"
    DELIVERY_RECOVERED = "bus.delivery_recovered"
    DEAD_LETTERED = "bus.dead_lettered"
    REDRIVEN = "bus.redriven"
    REPLAYED = "bus.replayed"
    LOOP_BLOCKED = "bus.loop_blocked"
    SUBSCRIPTION_CREATED = "bus.subscription_created"
    SUBSCRIPTION_UPDATED = "bus.subscription_updated"
    SUBSCRIPTION_DELETED = "bus.subscription_deleted"
    SCHEMA_CHANGED = "bus.schema_changed"
    KEY_CREATED = "bus.key_created"
    KEY_REVOKED = "bus.key_revoked"
    BRIDGE_CREATED = "bus.bridge_created"
    BRIDGE_UPDATED = "bus.bridge_updated"
    BRIDGE_DELETED = "bus.bridge_deleted"
