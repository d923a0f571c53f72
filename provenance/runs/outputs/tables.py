"""Blobs of outputs that may have no row: they are looked at after a moment, and destroyed if so."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text, Uuid

from provenance.core.db import metadata

run_output_garbage = Table(
    "run_output_garbage",
    metadata,
    Column("workspace_id", Uuid, nullable=False),
    Column("blob", Text, nullable=False, comment="key in the area `outputs` of the object store"),
    Column("after", BigInteger, nullable=False, comment="nanoseconds since the epoch: not destroyed before"),
    PrimaryKeyConstraint("workspace_id", "blob"),
    Index("ix_run_output_garbage_after", "after"),
)
