"""The language is the official one: its conformance cases, as far as they need no protocol buffer messages."""

import sys
from collections import Counter

import pytest

from tests.expressions.conformance import (
    OTHER_EXTENSIONS,
    PACKAGE,
    Case,
    Unavailable,
    fetched,
    needs_messages,
    passes,
)

AIM = 0.97


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\nconformance: {text}", file=sys.stderr)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case] | Unavailable:
    try:
        return fetched(tmp_path_factory.mktemp("conformance"))
    except Unavailable as error:
        return error


def suite_of(case: Case) -> str:
    return str(case["suite"]).partition("/")[0]


def test_the_official_cases_pass(cases: list[Case] | Unavailable, capsys: pytest.CaptureFixture[str]) -> None:
    if isinstance(cases, Unavailable):
        say(capsys, f"NOT TESTED: {cases}")
        pytest.skip(str(cases))
    ours = [each for each in cases if suite_of(each) not in OTHER_EXTENSIONS and not needs_messages(each)]
    failed = [(each, why) for each in ours if (why := passes(each)) is not None]
    rate = 1 - len(failed) / len(ours)
    by_suite = Counter(suite_of(case) for case, _ in failed)
    say(
        capsys,
        f"{len(ours) - len(failed)} of {len(ours)} cases of {PACKAGE} pass ({rate:.1%}); fails: {dict(by_suite)}",
    )
    assert len(ours) > 1500
    assert rate >= AIM, "\n".join(f"{case['suite']} {case['name']}: {case['expr']}: {why}" for case, why in failed)


def test_only_what_is_never_compiled_unchecked_and_few_others_fail(cases: list[Case] | Unavailable) -> None:
    """Most of the rest are about expressions that nobody type-checked: ours always are."""
    if isinstance(cases, Unavailable):
        pytest.skip(str(cases))
    ours = [each for each in cases if suite_of(each) not in OTHER_EXTENSIONS and not needs_messages(each)]
    checked = [each for each in ours if not each.get("disableCheck")]
    failed = [f"{each['suite']} {each['name']}" for each in checked if passes(each) is not None]
    declared = [each for each in failed if not each.startswith(("type_deductions/", "namespace/"))]
    assert declared == ["fields/qualified_identifier_resolution map_value_repeat_key_heterogeneous"]
