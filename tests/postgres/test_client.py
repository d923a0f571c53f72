import pytest

from provenance.postgres.client import client_environment


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://pv:s%40cret@db.example:6432/ledger?sslmode=require",
            {
                "PGHOST": "db.example",
                "PGPORT": "6432",
                "PGUSER": "pv",
                "PGPASSWORD": "s@cret",
                "PGDATABASE": "ledger",
                "PGSSLMODE": "require",
            },
        ),
        (
            "postgresql+asyncpg://pv:x@/ledger?host=/run/pv%201",
            {"PGHOST": "/run/pv 1", "PGUSER": "pv", "PGPASSWORD": "x", "PGDATABASE": "ledger"},
        ),
        (
            "postgres://a:1,b:2/ledger",
            {"PGHOST": "a,b", "PGPORT": "1,2", "PGDATABASE": "ledger"},
        ),
        ("postgresql://[::1]:5433/ledger", {"PGHOST": "::1", "PGPORT": "5433", "PGDATABASE": "ledger"}),
    ],
)
def test_an_address_as_variables(url: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "of-the-shell")
    found = {name: value for name, value in client_environment(url).items() if name.startswith("PG")}
    assert found == expected
