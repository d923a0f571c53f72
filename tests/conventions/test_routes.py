"""Every route says who may call it, is named after its folder, and stands in the table of contents."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from provenance import operations
from provenance.core.routing import Route, access_of
from provenance.core.settings import Settings
from provenance.features import LOOPS, ROUTES, TABLES, TASKS
from provenance.main import create_app, feature_routers

PACKAGE = Path(__file__).resolve().parents[2] / "provenance"
PUBLIC = {
    "operations.healthz": "for load balancers",
    "operations.health": "for load balancers",
    "operations.readyz": "for load balancers",
    "operations.metrics": "for the collector; no workspace's data is in it",
    "operations.openapi": "the API's own description",
    "operations.docs": "the API's own description",
    "operations.errors": "the API's own description",
    "docs.workflow_definition": "the shape of definitions, the same everywhere",
    "inbound.take": "the signature is the credential",
    "queue.push": "checks the queue token itself",
    "webhooks.receive": "the signature is the credential",
    "auth.login": "nobody is signed in yet",
    "auth.refresh": "the refresh token is the credential",
    "auth.logout": "the refresh token or the access token is the credential, and neither answers the same",
    "auth.jwks": "public keys",
    "auth.accept_invite": "the invitation's token is the credential",
    "passwords.forgot": "who forgot the password can't sign in",
    "passwords.reset": "the mailed token is the credential",
    "passkeys.authenticate_begin": "nobody is signed in yet",
    "passkeys.authenticate_finish": "the passkey is the credential",
    "oidc.begin": "nobody is signed in yet",
    "oidc.start": "nobody is signed in yet",
    "oidc.callback": "the provider's code and the browser's state are the credential",
    "oidc.finish": "the provider's code and the state are the credential",
    "device.start": "a device has no account",
    "device.token": "the device code is the credential",
    "log.published": "shows only what a workspace publishes of its log",
    "witness.add_checkpoint": "the signature on the checkpoint is the credential",
    "witness.key": "a public key",
    "links.show": "the mailed link's token is the credential",
    "links.decide": "the mailed link's token is the credential",
    "grants.approve_page": "the link's token or the named person's access token is the credential",
    "grants.approve": "the link's token or the named person's access token is the credential",
    "grants.deny_page": "the link's token or the named person's access token is the credential",
    "grants.deny": "the link's token or the named person's access token is the credential",
    "connections.callback": "the state of the authorisation is the credential",
    "connections.confirm": "the state of the authorisation is the credential",
    "uploads.put": "the signed address is the credential",
    "uploads.get": "the signed address is the credential",
    "downloads.fetch": "the signed address is the credential",
    "skills.upload": "the address, made for one package, is the credential",
}
"""Routes that declare no scope, and why."""
OTHER_VERBS = {
    "list": {
        "list_alerts",
        "list_approvals",
        "list_bridges",
        "list_grants",
        "list_inbox",
        "list_events",
        "list_erasures",
        "list_evidence",
        "list_fields",
        "list_environments",
        "list_holds",
        "list_keys",
        "list_members",
        "list_messages",
        "list_interactions",
        "list_passkeys",
        "list_rows",
        "list_runs",
        "list_streams",
        "list_subscriptions",
        "list_connections",
        "list_dead_letters",
        "list_datastores",
        "list_objects",
        "list_schemas",
        "list_secrets",
        "list_skills",
        "list_words",
        "list_workflows",
        "list_templates",
    },
}
"""Functions that can't bear the plain name of their verb, because it would hide a builtin."""

ROUTERS = [operations.router, *feature_routers()]
ALL = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
every_route = pytest.mark.parametrize("route", ALL, ids=lambda route: route.operation_id)


@every_route
class TestEveryRoute:
    def test_declares_its_access_or_is_public_for_a_reason(self, route: APIRoute) -> None:
        assert (access_of(route.dependant) is None) == (route.operation_id in PUBLIC)

    def test_admits_the_caller_and_the_body(self, route: APIRoute) -> None:
        assert isinstance(route, Route)

    def test_is_named_after_its_folder_and_its_function(self, route: APIRoute) -> None:
        assert route.operation_id is not None
        subject, _, verb = route.operation_id.partition(".")
        folder = route.endpoint.__module__.removesuffix(".routes").rsplit(".", 1)[-1]
        segments = [part.replace("-", "_") for part in route.path_format.split("/") if part]
        assert subject in {folder, *segments} or route.endpoint.__module__.split(".")[-2] == subject
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", verb)
        assert route.endpoint.__name__ in {verb, *OTHER_VERBS.get(verb, ())}

    def test_has_one_tag_that_its_url_or_folder_shows(self, route: APIRoute) -> None:
        [tag] = route.tags
        words = {part.replace("-", "_") for part in route.path_format.split("/")}
        words |= set(route.endpoint.__module__.split("."))
        assert str(tag).replace("-", "_") in words

    def test_has_one_line_of_documentation(self, route: APIRoute) -> None:
        text = (route.endpoint.__doc__ or "").strip()
        assert text.endswith(".")
        assert len(text.partition("\n\n")[0]) < 240

    def test_is_thin(self, route: APIRoute) -> None:
        """No SQL and no failure handling in a route."""
        constants = repr(route.endpoint.__code__.co_names)
        assert "execute" not in constants
        assert not any(name in constants for name in ("commit", "rollback", "HTTPException"))


class TestTableOfContents:
    def test_operation_ids_are_unique(self) -> None:
        named = [route.operation_id for route in ALL]
        assert len(set(named)) == len(named)

    def test_no_two_routes_serve_the_same(self) -> None:
        served = [
            (method, re.sub(r"\{\w+\}", "{}", route.path_format)) for route in ALL for method in route.methods or ()
        ]
        assert len(set(served)) == len(served)

    def test_every_router_of_the_package_is_listed(self) -> None:
        found = set()
        for path in PACKAGE.rglob("*.py"):
            if re.search(r"^router = APIRouter\(", path.read_text("utf-8"), re.MULTILINE):
                found.add(".".join(["provenance", *path.relative_to(PACKAGE).with_suffix("").parts]))
        listed = {module for modules in ROUTES.values() for module in modules}
        assert found == listed | {"provenance.operations"}

    @pytest.mark.parametrize("prefix", ROUTES)
    def test_every_prefix_is_served_by_its_modules(self, prefix: str) -> None:
        paths = set()
        for module in ROUTES[prefix]:
            router: APIRouter = import_module(module).router
            paths |= {route.path_format for route in router.routes if isinstance(route, APIRoute)}
        assert any(path.startswith(prefix) for path in paths)

    def test_every_route_is_under_a_listed_prefix(self) -> None:
        for router in feature_routers():
            for route in router.routes:
                assert isinstance(route, APIRoute)
                assert any(route.path_format.startswith(prefix) for prefix in ROUTES), route.path_format

    def test_every_module_of_tables_and_tasks_is_listed(self) -> None:
        found: dict[str, set[str]] = {"tables": set(), "tasks": set()}
        for name in found:
            for path in PACKAGE.rglob(f"{name}.py"):
                found[name].add(".".join(["provenance", *path.relative_to(PACKAGE).with_suffix("").parts]))
        assert found["tables"] <= set(TABLES)
        assert found["tasks"] == {*TASKS, *LOOPS} - {"provenance.upkeep"}

    def test_the_application_serves_what_is_listed(self) -> None:
        app = create_app(Settings(database_url="postgresql://nowhere/x")).framework
        document = app.openapi()
        served = {operation["operationId"] for methods in document["paths"].values() for operation in methods.values()}
        assert served == {route.operation_id for route in ALL if route.include_in_schema}

    def test_the_document_never_speaks_of_422(self) -> None:
        document = create_app(Settings(database_url="postgresql://nowhere/x")).framework.openapi()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                spoken = "422" in operation["responses"]
                assert spoken == (path == "/witness/add-checkpoint"), (method, path)  # as tlog-witness has it
                assert {"400", "404"} <= operation["responses"].keys(), (method, path)
