"""Definitions that several tests use."""

from typing import Any

ORDER: dict[str, Any] = {
    "schemaVersion": 1,
    "inputSchema": {
        "type": "object",
        "properties": {"orderId": {"type": "string"}, "amount": {"type": "number"}},
        "required": ["orderId", "amount"],
    },
    "steps": [
        {"key": "start", "kind": "trigger", "config": {"type": "manual"}},
        {
            "key": "over",
            "kind": "logic",
            "config": {"mode": "if", "cases": [{"name": "large", "when": "input.amount > 500"}], "default": "small"},
        },
        {"key": "gate", "kind": "approval", "config": {"title": "Order {{ input.orderId }}", "risk": "high"}},
        {
            "key": "call",
            "kind": "action",
            "config": {
                "target": "http",
                "url": "http://127.0.0.1:9/orders/{{ input.orderId }}",
                "body": {"amount": "{{ input.amount }}"},
            },
        },
        {
            "key": "store",
            "kind": "storage",
            "config": {"op": "write", "datastoreId": "ds_orders", "key": "last", "value": "{{ steps.call.output }}"},
        },
    ],
    "edges": [
        {"from": "start", "to": "over"},
        {"from": "over", "to": "gate", "on": "case:large"},
        {"from": "over", "to": "call", "on": "case:small"},
        {"from": "gate", "to": "call"},
        {"from": "call", "to": "store"},
    ],
    "output": {"processed": "{{ steps.store.status == 'succeeded' }}"},
}
