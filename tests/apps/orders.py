"""apps/orders, from its clients' side and from that of the services it calls: what they have done is counted, also when
the shop is killed again and again.

Usage: orders.py ORDERS SERVICES. Reports TAP."""
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from served import WAIT_S, Program, ask, ask_again, await_ledger, free_port, report

shop, services = map(os.path.abspath, sys.argv[1:])
LAMP, DESK = {"item": "lamp", "count": 2, "cents": 1999}, {"item": "desk", "count": 1, "cents": 24900}


@contextlib.contextmanager
def open_shop(*flags, pays_after=100):
    """The shop, and the services that it calls."""
    root = tempfile.mkdtemp(prefix="stepwell-orders-")
    own = ("--dev", "--admin-listen", "none", "--listen")
    world = Program(services, *own, f"127.0.0.1:{free_port()}", "--data", f"{root}/services", "--pays-after",
                    str(pays_after)).start()
    front = Program(shop, *own, f"127.0.0.1:{free_port()}", "--admin-on-public", "--data", f"{root}/shop", "--loops",
                    "2", "--services", world.url, *flags).start()
    try:
        yield front, world
    finally:
        front.kill()
        world.kill()
        shutil.rmtree(root, ignore_errors=True)


def case_an_order_is_paid_packed_and_told():
    with open_shop() as (front, world):
        status, said = ask(front.url + "/orders", {"customer": "ann", "items": [LAMP, DESK]})
        assert status == 200 and [p["item"] for p in said["parcels"]] == ["lamp", "desk"], said
        ledger = await_ledger(world, lambda l: l["mails"])
        assert [p["cents"] for p in ledger["payments"]] == [2 * 1999 + 24900], ledger
        assert sorted(p["text"] for p in ledger["parcels"]) == ["desk", "lamp"], ledger
        assert [m["text"] for m in ledger["mails"]] == ["ann: Your order is on its way"], ledger


def case_an_order_that_nobody_pays_is_cancelled():
    with open_shop("--pay-within", "1", pays_after=3600_000) as (front, world):
        status, said = ask(front.url + "/orders", {"customer": "bob", "items": [LAMP]})
        assert status == 402, (status, said)
        ledger = await_ledger(world, lambda l: l["mails"])
        assert [m["text"] for m in ledger["mails"]] == ["bob: Your order was not paid, and is cancelled"], ledger
        assert not ledger["payments"] and not ledger["parcels"] and len(ledger["cancellations"]) == 1, ledger


def case_money_that_comes_at_the_last_moment_counts_or_is_not_taken():
    count, answers = 20, {}
    with open_shop("--pay-within", "1", pays_after=1000) as (front, world):

        def order(number):
            order = {"customer": f"customer {number}", "items": [{**LAMP, "count": 1, "cents": number}]}
            answers[number], _ = ask(front.url + "/orders", order)

        clients = [threading.Thread(target=order, args=(n,), daemon=True) for n in range(1, count + 1)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(WAIT_S)
        ledger = await_ledger(world, lambda l: len(l["mails"]) >= count)
    assert len(answers) == count and set(answers.values()) <= {200, 402}, answers
    paid = sorted(n for n, status in answers.items() if status == 200)
    assert sorted(p["cents"] for p in ledger["payments"]) == paid, (answers, ledger)
    assert len(ledger["parcels"]) == len(paid) and len(ledger["cancellations"]) == count - len(paid), (answers, ledger)


def case_services_that_are_closed_stop_an_order_and_lose_none():
    with open_shop(pays_after=0) as (front, world):
        world.kill()
        status, run = ask(front.url + "/orders", {"customer": "ann", "items": [LAMP]}, Prefer="respond-async")
        assert status == 202, (status, run)
        of_run = f"{front.url}/_sw/runs/{run['runId']}"
        until = time.monotonic() + WAIT_S
        while ask(of_run)[1]["state"] != "stopped":
            assert time.monotonic() < until, ask(of_run)
            time.sleep(0.1)
        world.start()
        assert ask(of_run + "/release", b"")[0] == 200
        status, said = ask_again(run["outputUrl"])
        assert status == 200 and [p["item"] for p in said["parcels"]] == ["lamp"], (status, said)
        ledger = await_ledger(world, lambda l: l["mails"])
        assert len(ledger["payments"]) == len(ledger["parcels"]) == len(ledger["mails"]) == 1, ledger


def case_a_parcel_that_could_not_be_packed_is_released_alone():
    with open_shop(pays_after=3600_000) as (front, world):
        status, run = ask(front.url + "/orders", {"customer": "ann", "items": [LAMP, DESK]}, Prefer="respond-async")
        assert status == 202, (status, run)
        of_run = f"{front.url}/_sw/runs/{run['runId']}"
        until = time.monotonic() + WAIT_S
        while (order := ask(of_run)[1])["why"]["kind"] != "signal":
            assert time.monotonic() < until, order
            time.sleep(0.05)
        world.kill()
        told = ask_again(of_run + "/signals/paid", {"status": "paid"})
        assert told[0] == 202, told
        stopped = front.url + "/_sw/runs?endpoint=orders/ship&state=stopped"
        while len(parcels := ask(stopped)[1]["runs"]) < 2:
            assert time.monotonic() < until, parcels
            time.sleep(0.1)
        world.start()
        for parcel in parcels:
            released = ask_again(f"{front.url}/_sw/runs/{parcel['runId']}/release", b"")
            assert released[0] == 200, released
        status, said = ask_again(run["outputUrl"])
        assert status == 200 and [p["item"] for p in said["parcels"]] == ["lamp", "desk"], (status, said)
        ledger = await_ledger(world, lambda l: l["mails"])
        assert len(ledger["parcels"]) == 2 and len(ledger["mails"]) == 1, ledger


def case_nonsense_is_told_at_the_start():
    with tempfile.TemporaryDirectory(prefix="stepwell-orders-") as root:
        for seconds in ("0", "-1", "soon", "99999999999999999"):
            said = subprocess.run([shop, "--pay-within", seconds], capture_output=True, text=True, timeout=WAIT_S,
                                  cwd=root)
            assert said.returncode == 2 and "--pay-within" in said.stderr, said


def case_what_is_no_order_costs_nothing():
    with open_shop() as (front, world):
        for order, why in (({"items": [LAMP]}, "customer"), ({"customer": "ann"}, "items"),
                           ({"customer": "ann", "items": []}, "items"),
                           ({"customer": "ann", "items": [{"item": "lamp", "cents": 1}]}, "count"),
                           ({"customer": "", "items": [LAMP]}, "customer"),
                           ({"customer": "ann", "items": [{**LAMP, "item": ""}]}, "item"),
                           ({"customer": "ann", "items": [{**LAMP, "count": 1001}]}, "1000"),
                           ({"customer": "ann", "items": [{**LAMP, "count": 1.5}]}, "count"),
                           ({"customer": "ann", "items": [{**LAMP, "cents": 2 ** 63 - 1}]}, "100000000"),
                           ({"customer": "ann", "items": [{"item": "lamp", "count": 1}]}, "cents"),
                           ({"customer": "ann", "items": [LAMP] * 101}, "at most")):
            status, said = ask(front.url + "/orders", order)
            assert status == 400 and why in said["error"], (order, status, said)
        _, ledger = ask(world.url + "/ledger")
        assert not any(ledger.values()), ledger


def case_kills_neither_lose_nor_double_anything():
    count, kills = 40, 8
    answers = {}
    with open_shop() as (front, world):

        def order(number):
            items = [{"item": f"thing {number}.{k}", "count": 1, "cents": number} for k in range(3)]
            answers[number] = ask_again(front.url + "/orders", {"customer": f"customer {number}", "items": items},
                                        Idempotency_Key=f"order-{number}")

        clients = [threading.Thread(target=order, args=(n,), daemon=True) for n in range(1, count + 1)]
        for number, client in enumerate(clients):
            client.start()
            if number % (count // kills) == count // kills - 1:
                time.sleep(random.random() * 0.5)
                front.kill()
                front.start()
        for client in clients:
            client.join(WAIT_S)
        ledger = await_ledger(world, lambda l: len(l["mails"]) >= count)
    assert len(answers) == count and all(status == 200 for status, _ in answers.values()), answers
    assert sorted(p["cents"] for p in ledger["payments"]) == [3 * n for n in range(1, count + 1)], ledger["payments"]
    parcels = sorted(f"thing {n}.{k}" for n in range(1, count + 1) for k in range(3))
    assert sorted(p["text"] for p in ledger["parcels"]) == parcels, ledger["parcels"]
    mails = sorted(f"customer {n}: Your order is on its way" for n in range(1, count + 1))
    assert sorted(m["text"] for m in ledger["mails"]) == mails, ledger["mails"]


report(globals())
