"""The probe over TLS: answers arrive whole, whatever their records."""

from __future__ import annotations

import ssl

import pytest

from tests.fakes.hostile import chunked, message, self_signed
from tests.fakes.sealed import sealing
from tests.probe.asking import PATIENT, ask_all, packed

VERSION = "1.0.274"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: 9.9.999 9.9.999 9.9.999\r\n\r\n"
ANSWERS = {
    "of known length": message(VERSION),
    "until it is closed": message(VERSION, Content_Length=""),
    "chunked": chunked(b"1.0", b".274", b""),
    "gzip": message(packed(VERSION.encode()), Content_Encoding="gzip"),
    "after a hint": HINT + message(VERSION),
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return self_signed(tmp_path_factory.mktemp("tls"))


def by_itself(answer: bytes) -> list[bytes]:
    """Return each byte as a record of its own."""
    return [bytes([byte]) for byte in answer]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_however_it_is_cut_into_records(
    tls: ssl.SSLContext, answer: bytes
) -> None:
    def cut(path: str) -> list[bytes]:
        at = int(path[1:])
        return [answer[:at], answer[at:]] if at else by_itself(answer)

    with sealing(tls, cut) as url:
        urls = [f"{url}/{at}" for at in range(len(answer))]
        assert ask_all(*urls, limits=PATIENT) == [(VERSION, None)] * len(answer)


@pytest.mark.parametrize("notify", [True, False], ids=["farewell", "none"])
def test_a_long_answer_without_length_is_read_to_its_end(
    tls: ssl.SSLContext, *, notify: bool
) -> None:
    def long(path: str) -> list[bytes]:
        headers = {f"X_{number}": "x" * 1000 for number in range(int(path[1:]))}
        return [message(VERSION, Content_Length="", **headers)]

    with sealing(tls, long, notify=notify) as url:
        urls = [f"{url}/{number}" for number in range(60)]
        assert ask_all(*urls, limits=PATIENT) == [(VERSION, None)] * 60
