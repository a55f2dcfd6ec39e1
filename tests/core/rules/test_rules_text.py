"""Figures as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hlmon.rules.text import Shown, money, percent, plain, price, span, tokens

D = Decimal


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (money(D("1234.555")), "1,234.56 USDC"),
        (money(D(900), signed=True), "+900.00 USDC"),
        (money(D(0), signed=True), "0.00 USDC"),
        (money(None), ""),
        (percent(D("2.25")), "2.2 %"),
        (plain(D("1200.50")), "1,200.5"),
        (plain(D("1E+3")), "1,000"),
        (price(D("0.0000123456789")), "0.0000123457"),
        (price(D("123456.78")), "123,456.8"),
        (tokens(D("0.123456789123"), "HYPE"), "0.12345679 HYPE"),
        (tokens(D("5"), "USDH"), "5.00 USDH"),
        (span(0), "under 1 s"),
        (span(1_500), "1 s"),
        (span(61_000), "1 min 1 s"),
        (span(3_600_000), "1 h 0 min"),
        (span(90_000_000), "1 d 1 h"),
    ],
)
def test_a_figure_has_a_text(shown, text):
    assert shown.text == text


def test_a_format_takes_the_number_and_not_its_text():
    assert f"{money(D('1234.5')):.1f} {money(D('1234.5'))}" == "1234.5 1,234.50 USDC"
    assert f"{Shown(''):.1f}" == ""
