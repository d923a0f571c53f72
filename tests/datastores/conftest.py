"""Both kinds of store: a folder, and a real S3 server."""

from collections.abc import Iterator

import pytest

from tests.datastores.buckets import Bucket, bucket


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """One S3 server for the run."""
    with bucket(tmp_path_factory.mktemp("s3")) as found:
        yield found
