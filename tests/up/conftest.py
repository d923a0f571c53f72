from tests.postgres.conftest import data_dir, made_once

__all__ = ["data_dir", "made_once"]
