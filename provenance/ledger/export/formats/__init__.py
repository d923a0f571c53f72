"""The formats of an export: one module each, one line each in `FORMATS`."""

from collections.abc import Callable
from typing import NamedTuple

from provenance.ledger.export.formats import cloudevents, csv_rows, in_toto, ndjson, ocsf
from provenance.ledger.export.formats.contract import Writer
from provenance.ledger.export.schemas import FormatName, Frame


class Format(NamedTuple):
    """How a format is called on the wire, and who writes it.

    A ``document`` is one whole that is only valid complete; the others are written record by record.
    """

    media_type: str
    extension: str
    writer: Callable[[Frame], Writer]
    document: bool = False


def _prov_json(frame: Frame) -> Writer:
    from provenance.ledger.export.formats.w3c_prov import ProvJson  # its library takes 80 ms to import

    return ProvJson(frame)


def _prov_n(frame: Frame) -> Writer:
    from provenance.ledger.export.formats.w3c_prov import ProvN

    return ProvN(frame)


FORMATS: dict[FormatName, Format] = {
    "ndjson": Format("application/x-ndjson", "ndjson", ndjson.Lines),
    "csv": Format("text/csv; charset=utf-8; header=present", "csv", csv_rows.Table),
    "ocsf": Format("application/x-ndjson", "ocsf.ndjson", ocsf.Events),
    "cloudevents": Format("application/cloudevents-batch+json; charset=utf-8", "cloudevents.json", cloudevents.Batch),
    "prov-json": Format("application/json", "prov.json", _prov_json, document=True),
    "prov-n": Format("text/provenance-notation; charset=utf-8", "provn", _prov_n, document=True),
    "in-toto": Format("application/vnd.dsse.envelope.v1+json", "intoto.json", in_toto.Attestation, document=True),
}
