"""The demo's order database and its retrieval."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib.resources import as_file, files

import pytest

from tallystick.demo.orders import OrderError, Orders, Refund
from tallystick.demo.pages import Pages


@pytest.fixture
def orders(tmp_path) -> Orders:
    return Orders.create(tmp_path / "orders.db")


def test_a_refund_writes_its_row_and_changes_the_order(orders):
    assert orders.look_up("A-1001")["state"] == "delivered"
    receipt = orders.refund("A-1001", Decimal("40.00"))
    assert receipt == {"receipt": "R-0001", "order": "A-1001", "refunded_usd": "40.00"}
    assert orders.look_up("A-1001")["state"] == "refunded"
    assert orders.refunds() == [Refund("A-1001", 4_000)]


@pytest.mark.parametrize(
    ("order", "amount"),
    [("A-9999", "1"), ("A-1001", "40.01"), ("A-1001", "0"), ("A-1001", "-5"), ("A-1001", "0.001")],
)
def test_what_the_shop_forbids_changes_nothing(orders, order, amount):
    with pytest.raises(OrderError):
        orders.refund(order, Decimal(amount))
    assert orders.refunds() == []
    assert orders.look_up("A-1001")["state"] == "delivered"


def test_twenty_callers_refund_an_order_once(orders):
    def attempt(_: int) -> bool:
        try:
            orders.refund("A-1002", Decimal("400"))
        except OrderError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == 1
    assert orders.refunds("A-1002") == [Refund("A-1002", 40_000)]


@pytest.mark.parametrize(("order", "parcel"), [("A-1001", "packed"), ("A-1009", "none")])
def test_the_warehouse_accepts_what_it_cannot_send(orders, order, parcel):
    assert orders.send_again(order) == {"order": order, "warehouse": "accepted"}
    assert orders.parcel(order) == {"order": order, "parcel": parcel}


def test_nothing_is_sent_for_an_order_that_nobody_made(orders):
    with pytest.raises(OrderError, match="no order 'A-0'"):
        orders.send_again("A-0")
    assert orders.parcel("A-0") == {"order": "A-0", "parcel": "none"}


def test_an_order_that_nobody_made(orders):
    with pytest.raises(OrderError, match="no order 'A-0'"):
        orders.look_up("A-0")


def test_creating_again_starts_afresh(orders, tmp_path):
    orders.refund("A-1001", Decimal("40"))
    assert Orders.create(tmp_path / "orders.db").refunds() == []
    with sqlite3.connect(tmp_path / "orders.db") as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (11,)
    database.close()


@pytest.mark.parametrize(
    ("question", "page"),
    [
        ("How large a refund may the desk pay on its own before finance decides?", "limits"),
        ("The blades of my machine wear out, is that covered by the warranty?", "warranty"),
        ("Please wire the money to my bank account", "payments"),
        ("my parcel is late and counts as lost", "shipping"),
    ],
)
def test_search_finds_the_page(question, page):
    with as_file(files("tallystick.demo") / "project" / "pages") as folder:
        pages = Pages(folder)
    assert pages.search(question)[0]["page"] == page
    assert pages.search(question)[0]["text"].startswith("# ")


def test_search_finds_nothing_for_words_that_no_page_has(tmp_path):
    (tmp_path / "a.md").write_text("# Apples\n\nRed ones.")
    assert Pages(tmp_path).search("zebra crossing") == []
